/**
 * `shoal layout accept-loss`: the operator says that no further copy exists, and the node gives up what it has reported
 * as lost. Without this, a source that waits for a node that is gone for good may stay for ever, and with three sources
 * no change can begin. A damaged register without another replica keeps its partition from moving.
 *
 * Nothing that an answering node still has is touched: an old holder frees its blocks only when the present holders
 * have them (L8).
 */

import { LayoutRefusal, type LossReport, type LostRegister } from '../../gateway/port/layout.ts'
import { byteString, bytesOf, hex, textOfUtf8 } from '../../protocol/bytes.ts'
import { bucketId, type BucketId, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { bucketIdOf, spaceOf, systemNameOf } from '../../protocol/keyspace/register-key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import type { Logger } from '../env/ports.ts'
import { refused } from './layout-admin.ts'
import { lossReportOf } from './loss-report.ts'
import type { ChangeOffice } from '../layout/change-office.ts'
import type { DamagedRegisters } from '../repair/damaged-registers.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import { isAlone } from '../repair/recall.ts'
import { lostName } from '../reclaim/lost-name.ts'
import type { LostReport } from '../reclaim/lost-report.ts'
import type { Upkeep } from '../repair/upkeep.ts'

/** How many partitions one line of the log names. */
const NAMED_MAX = 20

/** The parts of the node that are asked, or that give something up. */
export interface AcceptLossOptions {
  readonly self: NodeId
  /** The layout in force. Throws while this node is not a member of a cluster. */
  readonly view: () => LayoutView
  /** The status of every node that answers, this one included (ask-members.ts). */
  readonly replies: (view: LayoutView) => Promise<ReadonlyMap<NodeId, WireStatusReply>>
  /** For how long this node has not been connected to another one; 0 while it is. */
  readonly silentMs: (node: NodeId) => number
  /** Has the members decide that sources are given up. */
  readonly changes: Pick<ChangeOffice, 'dropSources'>
  /** This node's damaged registers: only they can be given up here. */
  readonly damaged: Pick<DamagedRegisters, 'list' | 'giveUp'>
  /** Writes down what is lost for good. */
  readonly forgotten: Pick<Forgotten, 'noteLost'>
  readonly upkeep: Pick<Upkeep, 'scrubStatus'>
  /** Names of buckets, for the report. */
  readonly names: Pick<LostReport, 'own'>
  readonly logger: Logger
}

/** Makes the report and carries it out. The admin port's backend has one (status.ts). */
export class AcceptLoss {
  readonly #options: AcceptLossOptions

  constructor(options: AcceptLossOptions) {
    this.#options = options
  }

  /**
   * What would be lost now, and why it can't be given up yet, if so. Changes nothing. Names damaged
   * registers of this node only: each node is asked about its own.
   */
  async report(): Promise<LossReport> {
    return (await this.#look()).report
  }

  /** The report, and the keys of the registers in it, in the same order. */
  async #look(): Promise<{ report: LossReport; keys: readonly RegisterKey[] }> {
    const { view: current, replies, silentMs } = this.#options
    const view = current()
    const told = await replies(view)
    const keys = this.#keys(view)
    const report = lossReportOf({
      view,
      replies: told,
      silentMs,
      registers: await this.#registers(keys),
      registersRefusal: this.#registersRefusal(),
    })
    return { report, keys }
  }

  /**
   * Gives up what the report with this id lists: sources by a decision of the members, then this
   * node's registers one by one. The report is made again first, and must be the same.
   *
   * @returns what was given up
   * @throws LayoutRefusal (409) when it can't be given up or has changed since; StoreError
   *   Unavailable when no majority answers
   */
  async accept(id: string): Promise<LossReport> {
    const { changes, damaged, forgotten, logger } = this.#options
    const { report, keys } = await this.#look()
    const { sources, registers, epoch, refusal } = report
    if (refusal !== undefined) throw new LayoutRefusal(409, refusal)
    if (report.id !== id) {
      throw new LayoutRefusal(409, 'what would be lost has changed since the report: read it again')
    }
    for (const { epoch: since, partitions, waitsFor, unreadable } of sources) {
      const some = partitions.slice(0, NAMED_MAX)
      logger.warn(
        { epoch, since, partitions: partitions.length, some, waitsFor, unreadable },
        'the operator accepts that blocks of an earlier layout are lost',
      )
    }
    if (sources.length > 0) {
      const epochs = sources.map((source) => source.epoch)
      await changes.dropSources(epoch, epochs).catch(refused)
    }
    for (const [i, key] of keys.entries()) {
      const register = registers[i]
      if (register === undefined || !(await damaged.giveUp(key))) continue
      const { kind, name, partition } = register
      logger.warn({ kind, name, partition }, 'the operator accepts that a register is lost')
      await forgotten.noteLost(1, `${kind} ${name}`)
    }
    return report
  }

  /** Damaged registers of this node that have no other replica: no other node can repair them (D3). */
  #keys(view: LayoutView): readonly RegisterKey[] {
    const { damaged, self } = this.#options
    return damaged.list().filter((key) => isAlone(view, partitionOfKey(key), self))
  }

  /**
   * Why damaged registers can't be given up yet. A scrub may still repair them from another place of
   * the log.
   */
  #registersRefusal(): string | undefined {
    const { running, passes } = this.#options.upkeep.scrubStatus()
    if (running) return 'a scrub is running, which repairs what it can: wait for it'
    if (passes > 0) return undefined
    return 'run `shoal scrub` on this node first: it repairs what the log has in another place'
  }

  /** The registers as people know them. A bucket that is unknown by now is shown by its id. */
  async #registers(keys: readonly RegisterKey[]): Promise<LostRegister[]> {
    const ids = [...new Set(keys.flatMap((key) => bucketIdOf(key) ?? []))]
    const { names } = await this.#options.names.own({ buckets: ids.map((id) => bytesOf(id)) })
    const known = new Map<BucketId, string>()
    for (const { bucket, name } of names) known.set(bucketId(byteString(bucket)), name)
    return keys.map((key) => ({
      partition: partitionOfKey(key),
      kind: spaceOf(key) ?? 'register',
      name: nameOfRegister(key, known),
    }))
  }
}

/** 'BUCKET/KEY', or the name of a system register. */
function nameOfRegister(key: RegisterKey, buckets: ReadonlyMap<BucketId, string>): string {
  const bucket = bucketIdOf(key)
  if (bucket === undefined) return textOfUtf8(systemNameOf(key))
  return `${buckets.get(bucket) ?? `(${hex(bytesOf(bucket))})`}/${lostName(key)}`
}
