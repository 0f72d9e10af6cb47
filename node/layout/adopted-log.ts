/** What the log of this node says of each epoch that it adopts. Called by LayoutManager. */

import { nextReplicationOf, replicationOf } from '../../protocol/layout/entry.ts'
import { diffOf } from '../../protocol/layout/layout-diff.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Logger } from '../env/ports.ts'
import { leftLine } from './former.ts'
import type { OwnPlace } from './own-place.ts'

export class AdoptedLog {
  readonly #logger: Logger
  readonly #place: OwnPlace
  /** The log already says that this node is no member any more. */
  #saidLeft = false

  constructor(logger: Logger, place: OwnPlace) {
    this.#logger = logger
    this.#place = place
  }

  /**
   * Called with each view once it is durable. Logs one line about it, and one warning when this node has left for
   * good: it is then neither a member, nor a learner, nor a source.
   */
  adopted(view: LayoutView): void {
    this.#logger.info(stepFields(view), 'layout adopted')
    const epoch = this.#place.leftIn()
    if (epoch === undefined) {
      this.#saidLeft = false
      return
    }
    // From now on no node asks this one for anything, and nothing on its disk changes. Logged once.
    if (this.#saidLeft || this.#place.role() !== undefined) return
    this.#saidLeft = true
    this.#logger.warn({ epoch }, leftLine(epoch))
  }
}

/** Fields of the log line about an epoch: the step of the change, its cause, and what it changes. */
function stepFields({
  entry,
  epoch,
  state,
  members,
  sources,
}: LayoutView): Record<string, unknown> {
  const { cause, next } = entry
  const before = { members: entry.members, replication: replicationOf(entry) }
  return {
    epoch,
    state,
    members: members.length,
    cause,
    ...(next !== undefined && {
      changes: diffOf(before, { members: next, replication: nextReplicationOf(entry) }),
    }),
    ...(sources.length > 0 && { sources: sources.length }),
  }
}
