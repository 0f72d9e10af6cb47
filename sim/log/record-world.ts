/** One node's store with a record of each type in its log, to be damaged. */

import { byteString, bytesOf, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { RECORD_HEADER_BYTES } from '../../protocol/codec/record.ts'
import { encodeState } from '../../protocol/codec/state.ts'
import { bucketId, dataId, nodeId, operationId, proposerId } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { segmentPath } from '../../node/log/segment.ts'
import type { Store } from '../../node/log/store.ts'
import type { LogLoss, LogPosition, NewRecord } from '../../node/log/types.ts'
import { blockGone, minimumGone, registerGone } from '../../node/replica/removal-records.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { encodeNumber, hasState } from '../../node/replica/row-format.ts'
import { openStore } from '../../node/assembly/open-store.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { SimulatedIndexStore } from '../world/index-store.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { quiet } from './store-world.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

const PROPOSER = proposerId('p'.repeat(16))
const BUCKET = bucketId('b'.repeat(16))
const PEER = nodeId(`12D3KooW${'a'.repeat(40)}`)

export const keyOf = (name: string) => objectRegister(BUCKET, 4, name, 14)

function register(name: string, counter: number): NewRecord {
  const key = keyOf(name)
  const body = encodeState({
    ballot: { counter, proposer: PROPOSER },
    value: {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: bytesOf(`value ${counter}`),
      blocks: [],
    },
  })
  return { type: RECORD.register, partition: partitionOfKey(key), key, body }
}

function gone(name: string, counter: number): NewRecord {
  return registerGone(keyOf(name), { counter, proposer: PROPOSER })
}

const block = (n: number) => blockKey(3, dataId(String(n).repeat(24).slice(0, 24)), 1)

function stored(n: number): NewRecord {
  const key = block(n)
  return { type: RECORD.block, partition: 3, key, body: EMPTY_BYTES, payload: bytesOf('payload') }
}

const minimum = (generation: number): NewRecord => ({
  type: RECORD.minimum,
  partition: 5,
  key: BUCKET,
  body: encodeNumber(generation),
})
const mark = (value: number): NewRecord => ({
  type: RECORD.mark,
  partition: 0,
  key: 'mark',
  body: encodeNumber(value),
})
const duty = (type: number): NewRecord => ({ type, partition: 9, key: PEER, body: EMPTY_BYTES })

export const BATCHES: readonly (readonly NewRecord[])[] = [
  [register('a', 1), register('b', 2), register('c', 3), minimum(1), mark(100)],
  [stored(1), stored(2), duty(RECORD.duty)],
  [register('b', 7), minimum(2), mark(200), gone('c', 3), blockGone(block(2))],
  [duty(RECORD.dutyDone), register('d', 9)],
  [register('e', 10), minimumGone(5, BUCKET)],
]

export class RecordWorld {
  readonly clock = new VirtualClock()
  readonly disk: SimulatedDisk
  index: SimulatedIndexStore
  store!: Store
  forgotten: LogLoss[] = []

  private readonly segmentSizeBytes: number

  constructor(segmentSizeBytes = 1 << 20) {
    this.segmentSizeBytes = segmentSizeBytes
    const { clock } = this
    this.disk = new SimulatedDisk({ clock, random: seededRandom(1), capacityBytes: 1 << 30 })
    this.index = new SimulatedIndexStore({ clock, random: seededRandom(2) })
  }

  async open(): Promise<void> {
    this.store = await this.clock.settle(
      openStore(
        {
          disk: this.disk,
          clock: this.clock,
          random: { bytes: () => new Uint8Array(16).fill(7), float: () => 0.5 },
          logger: quiet,
          openIndex: () => this.index.open(),
          fail: (reason: string) => {
            throw new Error(reason)
          },
        },
        {
          segmentSizeBytes: this.segmentSizeBytes,
          reserveBytes: 0,
          forgot: async (losses) => void this.forgotten.push(...losses),
        },
      ),
    )
  }

  /** Rows without their positions, and without digests, which follow from the others. */
  rows(): Map<string, string> {
    const rows = new Map<string, string>()
    this.store.range(bytesOf('a'), bytesOf('x'), 1e6, (key, row) => {
      const letter = String.fromCharCode(key[0]!)
      if (letter === 'd') return
      const value =
        letter === 'r'
          ? hasState(row)
            ? byteString(row.subarray(18))
            : 'FAULTY'
          : byteString(row.subarray(0, Math.max(0, row.length - 18)))
      rows.set(byteString(key), value)
    })
    return rows
  }
}

/** The byte in the body of the last record that is like that. */
export function corruptBody(
  { world, positions }: Written,
  is: (record: NewRecord) => boolean,
  byte = 1,
): void {
  const records = BATCHES.flat()
  const at = records.findLastIndex(is)
  const body = positions[at]!.offset + RECORD_HEADER_BYTES + records[at]!.key.length
  world.disk.corrupt(segmentPath(1), body + byte, 1)
}

export interface Written {
  readonly world: RecordWorld
  readonly positions: readonly LogPosition[]
}

/** Stopped, and without its index. */
export async function written(): Promise<Written> {
  const world = new RecordWorld()
  await world.open()
  const positions: LogPosition[] = []
  for (const records of BATCHES) {
    positions.push(...(await world.clock.settle(world.store.append(records))))
  }
  await world.clock.settle(world.store.close())
  world.disk.kill()
  world.index.delete()
  return { world, positions }
}
