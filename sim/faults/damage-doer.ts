/**
 * Damage to the disk of one node, the victim, then restarts and index rebuilds in every order. Never the same
 * record on two nodes: the next victim comes only when the last one is level, votes everywhere and a scrub
 * has found nothing.
 */

import type { SimulatedCluster } from '../world/cluster.ts'
import type { MachineImage } from '../world/machine.ts'
import { hasFewCopies } from './copies.ts'
import { isLogMissing, type Crashes } from './crashes.ts'
import { flipLive, flipNode, flipSome, loseLog, loseSegment } from './damage.ts'
import { DAMAGE, drawKind, type DamageKind, type FaultName } from './kinds.ts'

const STEPS_MAX = 4
const IMAGE_AGE_MS_MAX = 3_000
/** The others are told every two seconds, now and then in vain. */
const KNOWN_WITHIN_MS = 6_000
/** How often another victim is tried for. */
const NEXT_SHARE = 0.5
const WHOLE_WITHIN_MS = 10_000
/** These may be tried while the node runs. */
const ROT: ReadonlySet<DamageKind> = new Set(['flip-live', 'lost-segment'])

/** The log alone brings these back. */
const HARMLESS: ReadonlySet<DamageKind> = new Set(['wiped-index', 'rebuilt-index'])

export class DamageDoer {
  readonly #cluster: SimulatedCluster
  readonly #crashes: Crashes
  readonly #enabled: ReadonlySet<FaultName>
  readonly #count: (kind: FaultName) => void
  #victim: number | undefined
  #image: MachineImage | undefined

  constructor(
    cluster: SimulatedCluster,
    crashes: Crashes,
    enabled: ReadonlySet<FaultName>,
    count: (kind: FaultName) => void,
  ) {
    this.#cluster = cluster
    this.#crashes = crashes
    this.#enabled = enabled
    this.#count = count
  }

  async one(): Promise<void> {
    const { random } = this.#cluster
    const kind = drawKind(DAMAGE, this.#enabled, random)
    if (kind === undefined || this.#crashes.noDamage || this.#wouldLose(kind)) return
    // A node whose disk is away for good, or was emptied before it went, holds no second copy.
    const isGone = this.#victim !== undefined && this.#cluster.isRetired(this.#victim)
    if (
      this.#victim === undefined ||
      isGone ||
      (random() < NEXT_SHARE && (await this.#isWhole()))
    ) {
      const { numbers } = this.#cluster
      this.#victim = numbers[Math.floor(random() * numbers.length)]!
    }
    const victim = this.#victim
    const { busy } = this.#crashes
    // A node may have died for good meanwhile. A joiner that is not in yet has nothing that counts.
    if (this.#crashes.noDamage || busy.has(victim)) return
    if (this.#cluster.node(victim) === undefined) return
    if (kind === 'flip-live') {
      if (flipLive(this.#cluster, victim) > 0) this.#count(kind)
      return
    }
    busy.add(victim)
    if (kind === 'old-image') {
      if (!(await this.#makeImage(victim))) {
        busy.delete(victim)
        return
      }
      await this.#sleep(random() * IMAGE_AGE_MS_MAX)
    }
    await (random() < 0.5 ? this.#squeeze(victim, kind) : this.#damage(victim, kind, random()))
    busy.delete(victim)
  }

  /** What is damaged comes back from the other copies. Where these are no majority, nothing can bring it back. */
  #wouldLose(kind: DamageKind): boolean {
    if (HARMLESS.has(kind)) return false
    const view = this.#cluster.latestView()
    return view !== undefined && hasFewCopies(view.entry)
  }

  /**
   * A copy from before a start that all others know of. One of the present life shows by the position of the
   * log alone, which the others hear of every few seconds; a start that some do not know of does not show when
   * only these are there (D2). What nothing proves is not tried.
   */
  async #makeImage(victim: number): Promise<boolean> {
    if (this.#crashes.wiresBusy) return false
    this.#image = this.#cluster.imageOf(victim)
    await this.#down(victim)
    await this.#crashes.revive(victim)
    if (this.#crashes.wiresBusy) return false
    this.#crashes.wiresBusy = true
    const { numbers } = this.#cluster
    const nodes = numbers.map((number) => this.#cluster.node(number))
    await this.#sleep(KNOWN_WITHIN_MS)
    this.#crashes.wiresBusy = false
    const isSame = nodes.every(
      (node, i) => node !== undefined && this.#cluster.node(numbers[i]!) === node,
    )
    return isSame && this.#cluster.node(victim)?.selfCheck.isProven === true
  }

  /**
   * What shows best that a node has forgotten: some of the others are away while it accepts, and those that
   * were there are away when it comes back damaged.
   */
  async #squeeze(victim: number, kind: DamageKind): Promise<void> {
    const { random, wires } = this.#cluster
    if (this.#crashes.wiresBusy || this.#cluster.numbers.length < 3)
      return this.#damage(victim, kind, 1)
    this.#crashes.wiresBusy = true
    const others = this.#cluster.numbers.filter((i) => i !== victim)
    const turn = Math.floor(random() * others.length)
    const shuffled = [...others.slice(turn), ...others.slice(0, turn)]
    const half = Math.floor(others.length / 2)
    this.#cluster.trace(`squeeze ${victim} between ${shuffled.join(' ')}`)
    this.#isolate(shuffled.slice(0, half))
    await this.#sleep(500 + random() * 2_500)
    await this.#damage(victim, kind, 1, () => {
      wires.mend()
      this.#isolate(shuffled.slice(half))
    })
    await this.#sleep(random() * 2_000)
    wires.mend()
    this.#crashes.wiresBusy = false
  }

  #isolate(numbers: readonly number[]): void {
    for (const number of numbers) {
      for (const other of this.#cluster.numbers) {
        if (other === number) continue
        this.#cluster.wires.cut(this.#cluster.idOf(number), this.#cluster.idOf(other))
        this.#cluster.wires.cut(this.#cluster.idOf(other), this.#cluster.idOf(number))
      }
    }
  }

  /** `recent`: of 1, only the latest part of the log is hit. `meanwhile`: what happens while it is down. */
  async #damage(
    victim: number,
    kind: DamageKind,
    recent: number,
    meanwhile: () => void = () => {},
  ): Promise<void> {
    const { random } = this.#cluster
    const rots = ROT.has(kind) || (kind.startsWith('flip-') && random() < 0.3)
    const done = rots && kind !== 'flip-last-batch' && this.#apply(victim, kind, true, recent)
    if (done) await this.#sleep(random() * 2_000)
    const isClean = await this.#down(victim)
    meanwhile()
    if (!done && !this.#apply(victim, kind, !isClean, recent)) {
      return this.#crashes.revive(victim)
    }
    this.#count(kind)
    for (let step = Math.floor(random() * STEPS_MAX); step >= 0; step--) {
      await this.#down(victim)
      if (kind === 'wiped-index' || random() < 0.1) this.#cluster.wipeIndex(victim)
      if (kind === 'rebuilt-index' || random() < 0.3) await this.#rebuild(victim)
      await this.#sleep(random() * 1_000)
      await this.#crashes.revive(victim)
      await this.#sleep(random() * 2_500)
    }
  }

  /** False when there was nothing of this kind. `proven`: see flipSome. */
  #apply(victim: number, kind: DamageKind, proven: boolean, recent: number): boolean {
    if (kind === 'wiped-index' || kind === 'rebuilt-index') return true
    if (kind === 'lost-segment') return loseSegment(this.#cluster, victim) > 0
    if (kind === 'flip-node') return flipNode(this.#cluster, victim) > 0
    if (kind === 'lost-log') return loseLog(this.#cluster, victim) > 0
    if (kind !== 'old-image') return flipSome(this.#cluster, victim, kind, proven, recent) > 0
    if (this.#image === undefined || this.#cluster.alive(victim)) return false
    this.#cluster.restore(victim, this.#image)
    this.#image = undefined
    return true
  }

  /** Within a while the victim votes on every partition and lacks nothing, and two scrubs found nothing left. */
  async #isWhole(): Promise<boolean> {
    const { clock } = this.#cluster
    const victim = this.#victim!
    const node = this.#cluster.node(victim)
    const until = clock.monotonicMs() + WHOLE_WITHIN_MS
    while (node !== undefined && this.#cluster.node(victim) === node) {
      if (clock.monotonicMs() > until) return false
      await this.#sleep(200)
      if (node.recall.forgotten().length > 0 || !node.resync.isLevel) continue
      await this.#cluster.scrub(victim)
      await this.#cluster.scrub(victim)
      const { bad, badRows, left, error } = node.upkeep.scrubStatus()
      if (error === undefined && bad + badRows + left === 0) {
        return node.recall.forgotten().length === 0 && node.resync.isLevel
      }
    }
    return false
  }

  /** Whether it stopped cleanly. */
  async #down(victim: number): Promise<boolean> {
    const { random } = this.#cluster
    if (!this.#cluster.alive(victim)) return false
    if (random() < 0.4) return this.#cluster.halt(victim)
    this.#cluster.kill(victim, random() < 0.5)
    return false
  }

  async #rebuild(victim: number): Promise<void> {
    try {
      await this.#cluster.rebuildIndex(victim)
    } catch (error) {
      this.#cluster.kill(victim, false)
      if (isLogMissing(error)) return
      this.#cluster.failures.push(`an index rebuild of node ${victim} failed: ${String(error)}`)
    }
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}
