/** The admin port's backend: each question goes to the part of the node that knows the answer. */

import type { LostStatus, NodeStatus, ScrubStatus } from '../../gateway/port/status.ts'
import type { AdminBackend, Gauge, QuotaStatus } from '../../gateway/port/admin.ts'
import type { BucketQuota } from '../../gateway/port/bucket-documents.ts'
import type {
  LayoutChange,
  LayoutChanged,
  LayoutPlan,
  LayoutTable,
  LossReport,
  PlannedChange,
} from '../../gateway/port/layout.ts'
import type { LocateResult } from '../../gateway/port/locate-result.ts'
import type { SecretStatus, TokenStatus } from '../../gateway/port/status.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { MembershipError } from '../layout/errors.ts'
import type { TokenOptions } from '../layout/token-office.ts'
import { quotaOf } from '../objects/quota-gate.ts'
import { nameOf } from '../process/node-name.ts'
import { internalContext } from '../tools/internal-context.ts'
import { AcceptLoss } from './accept-loss.ts'
import { askMembers } from './ask-members.ts'
import { gaugesOf } from './gauges.ts'
import { LayoutAdmin } from './layout-admin.ts'
import { heldOf } from './layout-table.ts'
import { locateObject } from './locate.ts'
import { nodeStatusOf } from './node-status.ts'
import { notReadyReason } from './not-ready.ts'
import { ownStatus } from './own-status.ts'
import type { StatusOptions } from './status-options.ts'

/**
 * The admin port's backend. Every method that needs the layout throws while this node is not a member
 * of a cluster; the starting admin answers 503 before that.
 */
export class Status implements AdminBackend {
  readonly #options: StatusOptions
  readonly #layout: LayoutAdmin
  readonly #losses: AcceptLoss

  constructor(options: StatusOptions) {
    this.#options = options
    const { layout, network, lost } = options
    const common = {
      self: network.self,
      view: () => this.#view(),
      replies: (view: LayoutView) => this.#askAll(view),
      silentMs: (node: NodeId) => layout.silentMs(node),
      abstaining: () => layout.abstaining(),
      changes: layout.changes,
    }
    this.#layout = new LayoutAdmin(common)
    this.#losses = new AcceptLoss({ ...options, ...common, names: lost.report })
    layout.reportHeld(async (view) => heldOf(view, await this.#askAll(view), common.silentMs))
    layout.judgeRemovals((node) => this.#layout.keptBecause(node))
  }

  /** For `/health/ready`: undefined when the node is ready. */
  notReadyReason(): string | undefined {
    return notReadyReason(this.#options)
  }

  /** Makes a join token. Throws StoreError Unavailable when none can be made now. */
  issueToken(options: TokenOptions): Promise<string> {
    return this.#options.layout.tokens.issue(options).catch(unavailable)
  }

  /** The tokens that this node knows and that have not expired, with the nodes that used them. */
  tokens(): readonly TokenStatus[] {
    return this.#options.layout.tokens.list().map(({ id, expiresMs, uses, nodes }) => ({
      id,
      expiresMs,
      uses,
      nodes,
      names: nodes.map((node) => nameOf(this.#view(), node)),
    }))
  }

  /** Ends a token. Returns false when there is none with this id. Throws StoreError Unavailable. */
  async revokeToken(id: string): Promise<boolean> {
    try {
      await this.#options.layout.tokens.revoke(id)
      return true
    } catch (error) {
      if (error instanceof MembershipError && error.code === 'no-such-token') return false
      return unavailable(error)
    }
  }

  secret(): SecretStatus {
    return this.#options.secret.status()
  }

  /** Resolves when the new secret is in force. Throws StoreError Unavailable. */
  rotateSecret(overlapMs: number): Promise<SecretStatus> {
    return this.#options.secret.rotate(overlapMs)
  }

  /** Begins a scrub, or joins the one that runs. Returns at once. */
  startScrub(): ScrubStatus {
    this.#options.upkeep.scrubFast()
    return this.scrubStatus()
  }

  scrubStatus(): ScrubStatus {
    return this.#options.upkeep.scrubStatus()
  }

  lost(): Promise<LostStatus> {
    return this.#options.lost.report.all()
  }

  layoutTable(): Promise<LayoutTable> {
    return this.#layout.table()
  }

  planChange(change: PlannedChange): Promise<LayoutPlan> {
    return this.#layout.plan(change)
  }

  applyChange(change: LayoutChange): Promise<LayoutChanged> {
    return this.#layout.apply(change)
  }

  cancelChange(): Promise<LayoutChanged> {
    return this.#layout.cancel()
  }

  proceedChange(): Promise<LayoutChanged> {
    return this.#layout.proceed()
  }

  lossReport(): Promise<LossReport> {
    return this.#losses.report()
  }

  acceptLoss(id: string): Promise<LossReport> {
    return this.#losses.accept(id)
  }

  /** What this node tells another about itself. */
  own(): WireStatusReply {
    return ownStatus(this.#options, this.#view())
  }

  /** The whole status. Asks all nodes, so it takes as long as the slowest one, at most 2 seconds. */
  async status(): Promise<NodeStatus> {
    const view = this.#view()
    const [replies, lost] = await Promise.all([this.#askAll(view), this.lost()])
    return nodeStatusOf(this.#options, view, replies, lost)
  }

  locate(bucketName: string, key: string): Promise<LocateResult> {
    const { buckets, network } = this.#options
    return locateObject({ buckets, network, view: () => this.#view() }, bucketName, key)
  }

  async quota(name: string): Promise<QuotaStatus> {
    const { buckets, quotas } = this.#options
    const bucket = await buckets.read(internalContext(), name)
    const usage = await quotas.usage(bucket)
    return { bucket: name, quota: quotaOf(bucket.record) ?? null, usage: usage ?? null }
  }

  async setQuota(name: string, quota: BucketQuota | null): Promise<QuotaStatus> {
    const { buckets } = this.#options
    const { ownerAccount } = (await buckets.read(internalContext(), name)).record
    await buckets.changeSettings(internalContext(), {
      bucket: name,
      ownerAccount,
      change: { quota },
    })
    return this.quota(name)
  }

  gauges(): readonly Gauge[] {
    return gaugesOf(this.#options)
  }

  /** One round of questions for each call: no answer is kept. */
  #askAll(view: LayoutView): Promise<Map<NodeId, WireStatusReply>> {
    return askMembers(this.#options, view, this.own())
  }

  #view(): LayoutView {
    const view = this.#options.layout.current()
    if (view === undefined) throw new Error('this node is not a member of a cluster yet')
    return view
  }
}

/** Turns an error of the layout's own into one of the admin port. */
function unavailable(error: unknown): never {
  if (error instanceof MembershipError) throw new StoreError('Unavailable', error.message)
  throw error
}
