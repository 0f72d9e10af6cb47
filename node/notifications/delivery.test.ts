import { expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { MemoryDisk } from '../env/testing/memory-disk.ts'
import type { Clock, Outgoing } from '../env/ports.ts'
import { QueueDelivery } from './delivery.ts'
import { EventLog } from './event-log.ts'
import { deliver, type Webhook } from './webhook.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }
const webhook: Webhook = { name: 'hook', url: 'https://hook.example/x', secret: 's', allow: [] }
const AGE_MS = 1_000_000

/** A queue with these events, whose webhook answers each as `answer` says. Timers wait until `later` is called. */
async function world(texts: readonly string[], answer: (text: string) => number) {
  const log = await EventLog.open({
    disk: new MemoryDisk(),
    logger,
    directory: 'webhooks/hook',
    bytesMax: 2 ** 20,
  })
  for (const text of texts) await log.add({ timeMs: 0, message: utf8(text) })
  const it = { nowMs: 0, tried: [] as string[], taken: [] as string[], pauses: [] as number[] }
  let timer: (() => void) | undefined
  const clock: Clock = {
    nowMs: () => it.nowMs,
    monotonicMs: () => it.nowMs,
    after(delayMs, run) {
      it.pauses.push(delayMs)
      timer = run
      return () => (timer = undefined)
    },
  }
  const outgoing: Outgoing = {
    resolve: () => Promise.resolve(['8.8.8.8']),
    post({ body }) {
      const text = utf8Text(body)
      it.tried.push(text)
      const status = answer(text)
      if (status === 204) it.taken.push(text)
      return Promise.resolve({ status })
    },
    close() {},
  }
  const random = { bytes: (length: number) => new Uint8Array(length), float: () => 0.5 }
  const options = { webhook, log, outgoing, clock, random, logger, ageMsMax: AGE_MS }
  const delivery = new QueueDelivery(options)
  const later = async (): Promise<void> => {
    const before = it.pauses.length
    timer?.()
    await expect.poll(() => it.pauses.length > before || log.count === 0).toBe(true)
  }
  delivery.kick()
  await expect.poll(() => it.pauses.length > 0 || log.count === 0).toBe(true)
  return Object.assign(it, { log, delivery, later })
}

test('a webhook that is down is asked once a round, ever more slowly, and loses nothing', async () => {
  let isDown = true
  const texts = Array.from({ length: 40 }, (_, at) => `${at}`)
  const it = await world(texts, () => (isDown ? 503 : 204))
  for (let round = 0; round < 8; round++) await it.later()
  expect(it.pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1_000))
  // As many as there are lanes may have begun before the first answer.
  expect(it.tried.length).toBeLessThanOrEqual(9 * 8)
  isDown = false
  await it.later()
  expect(it.taken.toSorted()).toEqual(texts.toSorted())
  expect(it.log.count).toBe(0)
})

test.each([400, 500])('an event that is answered with %i holds up no other', async (status) => {
  const it = await world(['bad', 'a', 'b'], (text) => (text === 'bad' ? status : 204))
  expect(it.taken).toEqual(['a', 'b'])
  expect(it.log.count).toBe(1)
  await it.log.add({ timeMs: 0, message: utf8('c') })
  await it.later()
  expect(it.taken).toEqual(['a', 'b', 'c'])
})

test('an event that is never taken is given up when it is too old, and counted', async () => {
  const it = await world(['a'], () => 503)
  it.nowMs = AGE_MS + 1
  await it.later()
  expect(it.delivery.expired).toBe(1)
  expect(it.log.count).toBe(0)
})

test('where one of its addresses is private, nothing is connected to', async () => {
  let posts = 0
  const outgoing: Outgoing = {
    resolve: () => Promise.resolve(['8.8.8.8', '10.0.0.1']),
    post: () => Promise.resolve({ status: 200 + posts++ }),
    close() {},
  }
  const outcome = await deliver({ outgoing }, webhook, utf8('a'))
  expect(outcome).toMatchObject({
    type: 'failed',
    reason: expect.stringContaining('10.0.0.1') as string,
  })
  expect(posts).toBe(0)
})
