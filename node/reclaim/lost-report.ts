/** The data that is lost in the whole cluster, as far as its members know, with names for people. */

import { byteString, bytesOf, hex, textOfUtf8 } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import { bucketCodec } from '../../protocol/codec/versioned.ts'
import { bucketId, type BucketId, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf, partitionRange, systemNameOf } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { registerKeyOfWire } from '../../protocol/rpc/message.ts'
import type { WireLostReply, WireLostRequest } from '../../protocol/rpc/messages.js'
import type { LostStatus } from '../../gateway/port/status.ts'
import type { Store } from '../log/store.ts'
import type { Clock } from '../env/ports.ts'
import { stateOfRow } from '../replica/row-format.ts'
import { lostName } from './lost-name.ts'
import type { LostObject, LostObjects } from './lost-objects.ts'
import { sleep } from '../tools/sleep.ts'

/** For one member: status waits for it. */
const ASK_TIMEOUT_MS = 2_000
/** Rows of bucket registers that are looked at in one partition. */
const BUCKETS_IN_PARTITION_MAX = 1_000
/** Partitions searched for names of buckets in one turn of the event loop. */
const PARTITIONS_AT_ONCE = 256

export interface LostReportOptions {
  readonly self: NodeId
  readonly lost: LostObjects
  readonly store: Pick<Store, 'range'>
  readonly peers: {
    connected(node: NodeId): boolean
    lost(
      to: NodeId,
      buckets: readonly BucketId[],
      options: { timeoutMs: number },
    ): Promise<WireLostReply>
  }
  readonly view: () => LayoutView
  readonly clock: Clock
}

export class LostReport {
  readonly #options: LostReportOptions

  constructor(options: LostReportOptions) {
    this.#options = options
  }

  /**
   * What this node answers to another node: its own list, and the names that it knows or finds of the buckets asked
   * for.
   */
  async own({ buckets }: WireLostRequest): Promise<WireLostReply> {
    const { lost } = this.#options
    const wanted = buckets.map((bytes) => bucketId(byteString(bytes)))
    await this.#findNames(wanted)
    return {
      objects: lost
        .list()
        .map(({ register, ...rest }) => ({ register: bytesOf(register), ...rest })),
      names: wanted.flatMap((id) => {
        const name = lost.bucketName(id)
        return name === undefined ? [] : [{ bucket: bytesOf(id), name }]
      }),
    }
  }

  /**
   * What all members that answer know to be lost, each entry once, ordered by bucket and key. `unanswered`: members
   * that are not connected or did not answer. A bucket without a name is shown by its id in brackets.
   */
  async all(): Promise<LostStatus> {
    const { lost, view, self } = this.#options
    const found = new Map<string, LostObject>()
    const add = (object: LostObject): void => {
      found.set(`${object.register}\0${object.versionId}`, object)
    }
    lost.list().forEach(add)
    const others = view()
      .members.map(({ nodeId }) => nodeId)
      .filter((node) => node !== self)
    let unanswered = 0
    await this.#ask(others, [], (reply) => {
      if (reply === undefined) unanswered++
      for (const { register, versionId, sizeBytes, foundMs } of reply?.objects ?? []) {
        add({ register: registerKeyOfWire(register), versionId, sizeBytes, foundMs })
      }
    })
    await this.#name(others, [...found.values()])
    const objects = [...found.values()].map(({ register, versionId, sizeBytes, foundMs }) => {
      const id = bucketIdOf(register)
      const bucket = id === undefined ? '' : (lost.bucketName(id) ?? `(${hex(bytesOf(id))})`)
      return { bucket, key: lostName(register), versionId, sizeBytes, foundMs }
    })
    objects.sort((a, b) => compare(a.bucket, b.bucket) || compare(a.key, b.key))
    return { objects, unanswered }
  }

  /** Finds names for the buckets of these entries: in this node's registers first, then by asking the others. */
  async #name(others: readonly NodeId[], objects: readonly LostObject[]): Promise<void> {
    const { lost } = this.#options
    const nameless = (): BucketId[] => {
      const ids = new Set(objects.flatMap(({ register }) => bucketIdOf(register) ?? []))
      return [...ids].filter((id) => lost.bucketName(id) === undefined)
    }
    await this.#findNames(nameless())
    const wanted = nameless()
    if (wanted.length === 0) return
    await this.#ask(others, wanted, (reply) => {
      for (const { bucket, name } of reply?.names ?? []) {
        lost.nameBucket(bucketId(byteString(bucket)), name)
      }
    })
  }

  /** Asks all nodes at once. `take` is called once for each, with undefined when it did not answer. */
  async #ask(
    nodes: readonly NodeId[],
    buckets: readonly BucketId[],
    take: (reply: WireLostReply | undefined) => void,
  ): Promise<void> {
    const { peers } = this.#options
    await Promise.all(
      nodes.map(async (node) => {
        const asked = peers.connected(node)
          ? peers.lost(node, buckets, { timeoutMs: ASK_TIMEOUT_MS })
          : undefined
        take(await asked?.catch(() => undefined))
      }),
    )
  }

  /** Finds the names of buckets whose registers this node holds. */
  async #findNames(wanted: readonly BucketId[]): Promise<void> {
    const { lost, store, view, self, clock } = this.#options
    const open = new Set(wanted.filter((id) => lost.bucketName(id) === undefined))
    for (const [i, partition] of view().partitionsOf(self).entries()) {
      if (open.size === 0) return
      if (i % PARTITIONS_AT_ONCE === PARTITIONS_AT_ONCE - 1) {
        await sleep(clock, 0)
      }
      const { start, end } = partitionRange(partition, 'bucket')
      const limit = BUCKETS_IN_PARTITION_MAX
      store.range(bytesOf(`r${start}`), bytesOf(`r${end}`), limit, (rowKey, row) => {
        const state = stateOfRow(row)
        if (state === undefined) return
        const { value } = decodeState(state.slice())
        if (value.tombstone) return
        const id = byteString(bucketCodec.decode(value.body).incarnation) as BucketId
        if (!open.delete(id)) return
        const register = byteString(rowKey).slice(1) as RegisterKey
        lost.nameBucket(id, textOfUtf8(systemNameOf(register)))
      })
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
