import type { Clock } from '../env/ports.ts'
import { expect, test } from 'vitest'
import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { BucketId, ByteString } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { WireEnumerateReply } from '../../protocol/rpc/messages.js'
import { registerRow } from '../replica/index-rows.ts'
import { HeldStore } from '../log/testing/held-store.ts'
import { fitsFrame } from '../net/framing.ts'
import { ENUMERATE, SyncAnswers, type SyncAnswersOptions } from './sync-answers.ts'

const BUCKET = 'b'.repeat(16) as BucketId

test('pages of a partition with the longest keys fit into frames and leave out no key', () => {
  const held = new HeldStore(() => [])
  const keys = Array.from({ length: 2_500 }, (_, i) =>
    objectRegister(BUCKET, 0, `${String(i).padStart(6, '0')}`.padEnd(1_024, 'k') as ByteString, 14),
  )
  for (const key of keys) held.rows.set(byteString(registerRow(key)), new Uint8Array(0))
  const peer = 'peer' as SyncAnswersOptions['self']
  const role = (node: string) => (node === peer ? 'member' : undefined)
  const view = { epoch: 1, role } as unknown as ReturnType<SyncAnswersOptions['view']>
  const exchange = new SyncAnswers({
    clock: { after: () => () => {} } as unknown as Clock,
    store: held.store,
    self: 'node' as SyncAnswersOptions['self'],
    view: () => view,
  })
  const found: string[] = []
  let after = EMPTY_BYTES
  for (let pages = 0; pages < 100; pages++) {
    const page = exchange.enumerate(peer, {
      epoch: 1,
      partition: partitionOfKey(keys[0]!),
      what: ENUMERATE.registers,
      after,
      limit: 1_000,
    })
    expect(fitsFrame(WireEnumerateReply.encode(page), undefined)).toBe(true)
    found.push(...page.keys.map((key) => byteString(key)))
    if (!page.more) break
    after = bytesOf(byteString(page.keys.at(-1)!))
  }
  expect(found).toEqual([...keys].sort())
  const request = { epoch: 1, partition: partitionOfKey(keys[0]!), what: 0, after, limit: 10 }
  // A stranger and a member at another epoch get no keys.
  const stranger = 'stranger' as SyncAnswersOptions['self']
  expect(exchange.enumerate(stranger, { ...request, after: EMPTY_BYTES }).keys).toEqual([])
  expect(exchange.enumerate(peer, { ...request, epoch: 2, after: EMPTY_BYTES }).keys).toEqual([])
  expect(exchange.enumerate(peer, { ...request, after: EMPTY_BYTES }).keys).toHaveLength(10)
})
