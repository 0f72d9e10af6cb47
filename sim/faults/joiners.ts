/** Machines that are about to join, with what an operator does for them: tokens. */

import type { NodeId } from '../../protocol/ids.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { JoiningState } from '../world/machine.ts'
import type { Crashes } from './crashes.ts'

const TOKEN_MS = 3_600_000

/** A node that is killed answers nothing any more; what was asked of it may still happen. */
const ASK_TIMEOUT_MS = 30_000

interface Joiner {
  readonly joining: JoiningState
  /** The member that made its token. */
  from: NodeId
}

export class Joiners {
  readonly #cluster: SimulatedCluster
  readonly #crashes: Crashes
  /** By number. */
  readonly #waiting = new Map<number, Joiner>()

  constructor(cluster: SimulatedCluster, crashes: Crashes) {
    this.#cluster = cluster
    this.#crashes = crashes
  }

  /** The new node's id; undefined when there is no token for it. */
  async join(through: ShoalNode, replace?: NodeId): Promise<NodeId | undefined> {
    const token = await this.#token(through)
    if (token === undefined) return undefined
    const joining = { token, replace }
    const number = this.#cluster.add(joining)
    this.#waiting.set(number, { joining, from: through.nodeId })
    this.#crashes.join(number)
    return this.#cluster.idOf(number)
  }

  /** A token names members of the time when it was made. When the one that made it has left, a joiner gets another one. */
  async renew(through: ShoalNode): Promise<void> {
    const view = this.#cluster.latestView()
    for (const [number, joiner] of this.#waiting) {
      if (!this.#cluster.isJoining(number) || this.#cluster.isRetired(number)) {
        this.#waiting.delete(number)
        continue
      }
      if (view === undefined || view.isMember(joiner.from)) continue
      const token = await this.#token(through)
      if (token === undefined) continue
      joiner.joining.token = token
      joiner.from = through.nodeId
    }
  }

  #token(through: ShoalNode): Promise<string | undefined> {
    const asked = through.admin.issueToken({ ttlMs: TOKEN_MS, uses: 1 })
    return askInTime(this.#cluster, asked).catch(() => undefined)
  }
}

/** Rejects when the work has not ended after a while. */
export function askInTime<T>({ clock }: SimulatedCluster, work: Promise<T>): Promise<T> {
  work.catch(() => {})
  const late = new Promise<never>((_, reject) => {
    clock.after(ASK_TIMEOUT_MS, () => reject(new Error('no answer in time')))
  })
  late.catch(() => {})
  return Promise.race([work, late])
}
