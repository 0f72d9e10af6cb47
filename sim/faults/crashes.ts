/** Nodes that go down and come up again, with what an operator does where one does not. */

import { LogError } from '../../node/log/errors.ts'
import { MembershipError, type MembershipErrorCode } from '../../node/layout/errors.ts'
import { LAYOUT_FILE } from '../../node/layout/layout-store.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { DiskFailure } from '../world/disk-operations.ts'
import { CALM } from '../world/wires.ts'

const STARTS_MAX = 4
const HELD_THINK_FACTOR = 8
const JOIN_AGAIN_MS = 1_000
/** Asking again would not help. */
const FINAL: ReadonlySet<MembershipErrorCode> = new Set([
  'bad-token',
  'expired-token',
  'used-token',
  'other-cluster',
  'bad-change',
  'removed',
  'replaced',
])

export class Crashes {
  /** Down, or about to be: others leave it alone. */
  readonly busy = new Set<number>()
  /** A node is lost for good: no disk is damaged until its copies are made again. */
  noDamage = false
  /** Cuts are not to be mended by others. */
  wiresBusy = false
  readonly #cluster: SimulatedCluster
  /** Number of faults, of any kind, that have begun and not passed. */
  #underWay = 0
  #heldSinceMs: number | undefined
  #heldMs = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  /** True while no new fault may begin. */
  get isHeld(): boolean {
    return this.#heldSinceMs !== undefined
  }

  /** True while no fault is under way. */
  get isQuiet(): boolean {
    return this.#underWay === 0
  }

  /** For how long no new fault was allowed to begin in all, milliseconds. */
  get heldMs(): number {
    const since = this.#heldSinceMs
    return this.#heldMs + (since === undefined ? 0 : this.#cluster.clock.monotonicMs() - since)
  }

  /** Runs `work` while no new fault begins and clients do little; faults that have begun go on. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    const { wires, clock } = this.#cluster
    const { faults } = wires
    this.#heldSinceMs = clock.monotonicMs()
    wires.faults = { ...CALM }
    this.#cluster.thinkFactor = HELD_THINK_FACTOR
    try {
      return await work()
    } finally {
      wires.faults = faults
      this.#cluster.thinkFactor = 1
      this.#heldMs = this.heldMs
      this.#heldSinceMs = undefined
    }
  }

  async underWay(fault: () => Promise<void>): Promise<void> {
    this.#underWay++
    try {
      await fault()
    } finally {
      this.#underWay--
    }
  }

  /** Starts it if it is down, and again when it goes down in its start. */
  async revive(number: number): Promise<void> {
    if (this.#cluster.isRetired(number)) return
    if (this.#cluster.isJoining(number)) {
      this.join(number)
      return
    }
    let acceptLostLog = false
    for (let i = 0; i < STARTS_MAX && !this.#cluster.alive(number); i++) {
      try {
        await this.#cluster.start(number, { acceptLostLog })
      } catch (error) {
        this.#cluster.kill(number, false)
        acceptLostLog = isLogMissing(error)
        if (acceptLostLog) continue
        if (this.#hasLeft(number, error)) {
          this.#cluster.retire(number)
          return
        }
        if (!this.#repaired(number, error)) {
          this.#cluster.failures.push(`node ${number} does not start: ${String(error)}`)
          return
        }
      }
    }
  }

  /** Starts one that has yet to be let in, without waiting for it. It may wait for long, be killed and start again; what
   * it can't do is found a cluster of its own (L1). */
  join(number: number): void {
    void this.#join(number)
  }

  async #join(number: number): Promise<void> {
    while (!this.#cluster.isRetired(number) && !this.#cluster.alive(number)) {
      try {
        await this.#cluster.start(number)
        return
      } catch (error) {
        this.#cluster.trace(`joiner ${number} gave up: ${String(error)}`)
        this.#cluster.kill(number, false)
        const isFinal = error instanceof MembershipError && FINAL.has(error.code)
        if (isFinal && !String(error).includes('is up')) {
          if (this.#cluster.roleOf(number) !== undefined) {
            this.#cluster.failures.push(`node ${number} was let in and refused: ${String(error)}`)
          }
          this.#cluster.retire(number)
          return
        }
        // Its disk failed at just that moment, so its operator starts it again.
        if (!(error instanceof MembershipError || error instanceof DiskFailure)) {
          this.#cluster.failures.push(`joiner ${number} does not start: ${String(error)}`)
          return
        }
      }
      await new Promise<void>((resolve) => void this.#cluster.clock.after(JOIN_AGAIN_MS, resolve))
    }
  }

  /** It says itself that it is no member any more, and the others say so too. */
  #hasLeft(number: number, error: unknown): boolean {
    return (
      String(error).includes('was removed from the cluster') &&
      this.#cluster.roleOf(number) === undefined
    )
  }

  /** What the documentation says to do. */
  #repaired(number: number, error: unknown): boolean {
    if (!String(error).includes(`${LAYOUT_FILE} is damaged`)) return false
    let longest: { readonly other: number; readonly layout: Uint8Array } | undefined
    for (const other of this.#cluster.numbers) {
      if (other === number) continue
      const layout = this.#cluster.diskOf(other).image().get(LAYOUT_FILE)
      if (layout === undefined || layout.length <= (longest?.layout.length ?? 0)) continue
      longest = { other, layout }
    }
    if (longest === undefined) return false
    this.#cluster.trace(`copy layout ${longest.other} to ${number}`)
    this.#cluster.diskOf(number).put(LAYOUT_FILE, longest.layout)
    return true
  }
}

export function isLogMissing(error: unknown): boolean {
  return error instanceof LogError && error.code === 'LOG_MISSING'
}
