/** Answers the list requests of coordinators: ordered intervals of registers with their covered end (T1). */

import { byteString } from '../../protocol/bytes.ts'
import { createBlake3 } from '../../protocol/hash.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { fenceOfWire, MessageError } from '../../protocol/rpc/message.ts'
import type {
  WireIntervalReply,
  WireListReply,
  WireListRequest,
  WireRow,
} from '../../protocol/rpc/messages.js'
import type { Store } from '../data/store.ts'
import { stateOfRow } from './index-rows.ts'
import type { RegisterHost } from './register-host.ts'

export const LIST_RESULT = { ok: 0, staleEpoch: 1, staleFence: 2, notAReplica: 3 } as const

/** Rows of all intervals of one reply, at most. */
const ROWS_MAX = 4_096

export interface ListServiceOptions {
  readonly store: Store
  readonly host: RegisterHost
  readonly epoch: () => number
  readonly isReplica: (partition: number) => boolean
}

const NOTHING: WireListReply = { kind: LIST_RESULT.ok, epoch: 0, generation: 0, intervals: [] }

export class ListService {
  readonly #options: ListServiceOptions

  constructor(options: ListServiceOptions) {
    this.#options = options
  }

  async list(request: WireListRequest): Promise<WireListReply> {
    const { epoch, isReplica, host } = this.#options
    if (request.epoch !== epoch()) {
      return { ...NOTHING, kind: LIST_RESULT.staleEpoch, epoch: epoch() }
    }
    if (request.limit < 1 || request.intervals.length > 4096) {
      throw new MessageError('list request out of range')
    }
    const fence = fenceOfWire(request.fenceBucket, request.fenceGeneration)
    if (fence === undefined) throw new MessageError('a list names its bucket')
    const partitions: number[] = []
    for (const { start } of request.intervals) {
      const partition = partitionOfKey(byteString(start) as RegisterKey)
      if (!isReplica(partition)) return { ...NOTHING, kind: LIST_RESULT.notAReplica }
      const minimum = host.minimumGeneration(partition, fence)
      if (minimum > fence.generation) {
        return { ...NOTHING, kind: LIST_RESULT.staleFence, generation: minimum }
      }
      partitions.push(partition)
    }
    await host.raiseMinimum(fence, partitions)
    const limit = Math.min(request.limit, Math.ceil(ROWS_MAX / request.intervals.length) + 16)
    const intervals = request.intervals.map(({ start, end, digestOnly }) =>
      this.#interval(start, end, limit, digestOnly),
    )
    return { ...NOTHING, intervals }
  }

  #interval(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    digestOnly: boolean,
  ): WireIntervalReply {
    const rows: WireRow[] = []
    const digest = createBlake3()
    let count = 0
    let last: Uint8Array | undefined
    this.#options.store.range(prefixed(start), prefixed(end), limit, (rowKey, row) => {
      const key = rowKey.slice(1)
      // A damaged state has no ballot: the digests then differ, and the key is read by quorum (D3).
      const state = stateOfRow(row)
      digest.update(key)
      if (state !== undefined) digest.update(ballotBytes(state))
      if (!digestOnly) {
        rows.push({
          key: key as Uint8Array<ArrayBuffer>,
          state: (state === undefined
            ? new Uint8Array(0)
            : state.slice()) as Uint8Array<ArrayBuffer>,
        })
      }
      last = key
      count++
    })
    return {
      rows,
      digest: digest.digest().slice(0, 16) as Uint8Array<ArrayBuffer>,
      coveredEnd: (count < limit || last === undefined
        ? end
        : successor(last)) as Uint8Array<ArrayBuffer>,
    }
  }
}

function prefixed(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1)
  bytes[0] = 0x72 // 'r'
  bytes.set(key, 1)
  return bytes
}

function successor(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1)
  bytes.set(key)
  return bytes
}

function ballotBytes(state: Uint8Array): Uint8Array {
  // Counter and proposer as they stand in the state (codec/state.ts).
  return state.subarray(2, 26)
}
