import { expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { MemoryDisk } from '../env/testing/memory-disk.ts'
import { EventLog } from './event-log.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }

const open = (disk: MemoryDisk, bytesMax = 2 ** 20): Promise<EventLog> =>
  EventLog.open({ disk, logger, directory: 'webhooks/hook', bytesMax })

const add = (log: EventLog, text: string): Promise<boolean> =>
  log.add({ timeMs: 7.5, message: utf8(text) })

async function texts(log: EventLog, limit = 100): Promise<string[]> {
  return (await log.peek(limit)).map(({ event }) => utf8Text(event.message))
}

test('events come in their order, until they are taken, also after a restart', async () => {
  const disk = new MemoryDisk()
  const log = await open(disk)
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => add(log, text)))
  const [, second] = await log.peek(2)
  log.take(second!.end, 2)
  expect(await texts(log)).toEqual(['c', 'd'])
  await log.settle()
  const again = await open(disk)
  expect(again.count).toBe(2)
  expect(await add(again, 'e')).toBe(true)
  expect(await texts(again)).toEqual(['c', 'd', 'e'])
  const last = (await again.peek(100)).at(-1)!
  again.take(last.end, 3)
  await again.settle()
  expect(again.count).toBe(0)
  expect(await texts(await open(disk))).toEqual([])
})

test('without the place of the front, events are told again and none is lost', async () => {
  const disk = new MemoryDisk()
  const log = await open(disk)
  await add(log, 'a')
  await add(log, 'b')
  const [first] = await log.peek(1)
  log.take(first!.end, 1)
  expect(await texts(await open(disk))).toEqual(['a', 'b'])
})

test('what finds no room is refused, and what is there stays', async () => {
  const log = await open(new MemoryDisk(), 200)
  const text = 'x'.repeat(80)
  expect(await add(log, text)).toBe(true)
  expect(await add(log, text)).toBe(true)
  expect(await add(log, text)).toBe(false)
  expect(await texts(log)).toEqual([text, text])
})
