/**
 * Object lock under races: retention, legal holds and deletes of the same version come through different gateways at the same
 * time, while the wall clock of one node is a year ahead (T10).
 *
 * The bucket retains new versions in governance mode for a day, so that every delete needs the bypass. No lock ends by
 * itself: retention is for hours, and the clocks of all other nodes are at most minutes off. So of a version that is not
 * locked yet, a delete and a lock can't both succeed, in whatever order: after a delete there is nothing to lock, and after a
 * lock nothing may be deleted. What is in doubt may happen at any later time, until a lock that is known to be there
 * prevents it.
 */

import type { Backend } from '../../gateway/port/backend.ts'
import type { ObjectChange, ObjectLock } from '../../gateway/port/objects.ts'
import type { StoreErrorCode } from '../../protocol/errors.ts'
import { hasFewCopies } from '../faults/copies.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { Clients, clientContext, labelled, putRequest, readTag, type Workload } from './clients.ts'

const BUCKET = 'locked'
const THINK_MS_MAX = 200
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const YEAR_MS = 365 * DAY_MS
/** More than clocks are ever off, besides the one that is a year ahead. */
const CLOCKS_OFF_MS = HOUR_MS
/** Then nothing more is written: locked versions can't be removed. */
const VERSIONS_MAX = 25

interface Known {
  readonly versionId: string
  readonly tag: number
  /** The compliance retention that is known to be there ends at this time, 0 without one. */
  untilMs: number
  hold: 'never' | 'on' | 'off' | 'unknown'
  /** A delete of it is in doubt, and may happen yet. */
  dying: boolean
}

interface Key {
  readonly name: string
  versions: Known[]
  count: number
}

type Outcome<T> = { readonly value: T } | { readonly code: StoreErrorCode } | 'unknown'

function isLocked({ untilMs, hold }: Known): boolean {
  return untilMs > 0 || hold === 'on'
}

function codeOfOutcome(outcome: Outcome<unknown>): string {
  return outcome === 'unknown' ? outcome : 'code' in outcome ? outcome.code : 'ok'
}

export class LocksWorkload implements Workload {
  readonly #clients: Clients
  readonly #keys: Key[]
  /** The node whose clock is a year ahead. */
  readonly #ahead: number
  #tag = 3_000_000

  constructor(cluster: SimulatedCluster, keys: number) {
    this.#clients = new Clients(cluster)
    this.#ahead = this.#clients.pick(cluster.numbers) ?? 0
    this.#keys = Array.from({ length: keys }, (_, i) => ({
      name: `locks/${i}`,
      versions: [],
      count: 0,
    }))
  }

  get violations(): string[] {
    return this.#clients.violations
  }

  get counts(): { done: number; unknown: number } {
    return this.#clients.counts
  }

  async prepare(backend: Backend): Promise<void> {
    await backend.createBucket(clientContext('CreateBucket'), {
      bucket: BUCKET,
      ownerAccount: '1',
      region: 'sim',
      objectLock: true,
    })
    await backend.changeBucket(clientContext('PutObjectLockConfiguration'), {
      bucket: BUCKET,
      change: { objectLock: { defaultRetention: { mode: 'governance', days: 1 } } },
    })
  }

  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(
      this.#keys.map(async (key) => {
        while (!isOver()) {
          await this.#clients.think(THINK_MS_MAX)
          // Also after a fault has set it.
          this.#setAhead()
          await this.#step(key)
        }
      }),
    )
  }

  /** One clock that is ahead ends no lock where the others are a majority. Elsewhere it is right. */
  #setAhead(): void {
    const { cluster } = this.#clients
    const view = cluster.latestView()
    if (view === undefined) return
    cluster.jumpClock(this.#ahead, hasFewCopies(view.entry) ? 0 : YEAR_MS)
  }

  async #step(key: Key): Promise<void> {
    const dice = this.#clients.cluster.random()
    const version = this.#clients.pick(key.versions)
    if (version === undefined || (dice < 0.3 && key.count < VERSIONS_MAX)) return this.#put(key)
    if (isLocked(version)) {
      if (dice < 0.45 && version.untilMs === 0) return this.#lift(key, version)
      if (dice < 0.75) return this.#assail(key, version)
      return this.#check(key, version)
    }
    if (dice < 0.5) return this.#race(key, version, 'retention')
    if (dice < 0.65) return this.#race(key, version, 'hold')
    if (dice < 0.75) return this.#deleteUnasked(key, version)
    return this.#check(key, version)
  }

  async #put(key: Key): Promise<void> {
    key.count++
    const tag = ++this.#tag
    const { clock } = this.#clients.cluster
    const beganMs = clock.nowMs()
    const lock: ObjectLock | undefined =
      tag % 4 === 0
        ? { retention: { mode: 'compliance', untilMs: beganMs + 10 * HOUR_MS } }
        : tag % 7 === 0
          ? { legalHold: true }
          : undefined
    const request = putRequest(BUCKET, key.name, tag)
    const outcome = await this.#clients.ask(`lock put ${key.name} ${tag}`, (backend) =>
      backend.putObject(clientContext('PutObject'), {
        ...request,
        headers: { ...request.headers, lock },
      }),
    )
    if (outcome === 'unknown') return
    if ('code' in outcome) return void this.violations.push(`put of ${key.name}: ${outcome.code}`)
    const { versionId } = outcome.value
    const version: Known = {
      versionId,
      tag,
      untilMs: lock?.retention?.untilMs ?? 0,
      hold: lock?.legalHold === true ? 'on' : 'never',
      dying: false,
    }
    key.versions.push(version)
    if (version.untilMs === 0) await this.#checkDefault(key, version, beganMs)
  }

  /** The default retention begins by the clocks of a majority: neither a year later nor earlier. */
  async #checkDefault(key: Key, version: Known, beganMs: number): Promise<void> {
    const endedMs = this.#clients.cluster.clock.nowMs()
    const found = await this.#lockOf(key, version)
    if (found === 'unknown' || 'code' in found) return
    const { mode, untilMs = 0 } = found.value?.retention ?? {}
    const from = beganMs + DAY_MS - CLOCKS_OFF_MS
    const to = endedMs + DAY_MS + CLOCKS_OFF_MS
    if (mode !== 'governance' || untilMs < from || untilMs > to) {
      const off = Math.round((untilMs - beganMs - DAY_MS) / 1_000)
      this.violations.push(`${key.name}: a default retention of ${mode}, off by ${off} s (T10)`)
    }
  }

  /** A lock through one gateway, and deletes through others. */
  async #race(key: Key, version: Known, by: 'retention' | 'hold'): Promise<void> {
    const untilMs = this.#clients.cluster.clock.nowMs() + 10 * HOUR_MS
    const change: ObjectChange =
      by === 'hold' ? { legalHold: true } : { retention: { mode: 'compliance', untilMs } }
    // From governance into compliance only by the bypass.
    const locking = this.#change(key, version, { ...change, bypassGovernance: true })
    const [locked, ...deletes] = await Promise.all([
      locking,
      this.#delete(key, version, true),
      this.#delete(key, version, true),
    ])
    const code = codeOfOutcome(locked)
    const isGone = deletes.some((each) => each === 'gone')
    // A lift that is in doubt may come between a hold and a delete.
    const isFirm = by === 'retention' || version.hold !== 'unknown'
    if (code === 'ok' && isGone && isFirm) {
      this.violations.push(`${key.name} ${version.versionId}: locked and deleted (T10)`)
    }
    const inDoubt = version.dying || deletes.includes('unknown')
    if (code === 'NoSuchVersion') {
      if (!isGone && !inDoubt) {
        this.violations.push(`${key.name} ${version.versionId}: gone without a delete`)
      }
      return this.#forget(key, version)
    }
    if (code !== 'ok' && code !== 'unknown') {
      this.violations.push(`${key.name}: a lock is refused: ${code}`)
    }
    if (isGone) return this.#forget(key, version)
    if (code === 'unknown' && by === 'hold') version.hold = 'unknown'
    // Once a hold is in doubt, it stays so: what is in doubt may come late.
    if (code === 'ok' && by === 'hold' && version.hold !== 'unknown') version.hold = 'on'
    if (code === 'ok' && by === 'retention') version.untilMs = untilMs
    version.dying = inDoubt
  }

  /** Whatever could take a locked version away, at the same time and through any gateways. */
  async #assail(key: Key, version: Known): Promise<void> {
    const nowMs = this.#clients.cluster.clock.nowMs()
    const bypassGovernance = true
    const attempts: Promise<[string, string]>[] = [
      this.#delete(key, version, true).then((outcome) => ['delete', outcome]),
      this.#delete(key, version, false).then((outcome) => ['plain delete', outcome]),
    ]
    if (version.untilMs > 0) {
      for (const [name, retention] of [
        ['shorter', { mode: 'compliance', untilMs: nowMs + HOUR_MS }],
        ['governance', { mode: 'governance', untilMs: nowMs + 20 * HOUR_MS }],
        ['none', null],
      ] as const) {
        const change = this.#change(key, version, { retention, bypassGovernance })
        attempts.push(change.then((outcome) => [name, codeOfOutcome(outcome)]))
      }
    }
    // Tags change beside the lock, and a marker is made above it.
    const beside = this.#change(key, version, { tags: labelled(this.#tag) })
    if (key.count < VERSIONS_MAX && this.#clients.cluster.random() < 0.3) await this.#mark(key)
    for (const [name, code] of await Promise.all(attempts)) {
      if (code === 'ObjectLocked' || code === 'unknown') continue
      this.violations.push(
        `${key.name} ${version.versionId}: ${name} of a locked version ${code} (T10)`,
      )
    }
    const tagged = codeOfOutcome(await beside)
    if (tagged !== 'ok' && tagged !== 'unknown') {
      this.violations.push(`${key.name}: tags beside a lock: ${tagged}`)
    }
  }

  async #mark(key: Key): Promise<void> {
    key.count++
    await this.#clients.ask(`lock mark ${key.name}`, (backend) =>
      backend.deleteObject(clientContext('DeleteObject'), { bucket: BUCKET, key: key.name }),
    )
  }

  /** A hold is lifted while deletes wait for that. */
  async #lift(key: Key, version: Known): Promise<void> {
    // It may be gone from now on.
    const lifting = this.#change(key, version, { legalHold: false })
    const [lifted, deleted] = await Promise.all([lifting, this.#delete(key, version, true)])
    const code = codeOfOutcome(lifted)
    version.hold = code === 'ok' ? 'off' : 'unknown'
    if (deleted === 'unknown') version.dying = true
    if (deleted === 'gone') return this.#forget(key, version)
    if (code === 'NoSuchVersion' && version.dying) return this.#forget(key, version)
    if (code !== 'ok' && code !== 'unknown') {
      this.violations.push(`${key.name}: a hold is not lifted: ${code}`)
    }
  }

  /** Without the bypass, the default retention of the bucket protects it. */
  async #deleteUnasked(key: Key, version: Known): Promise<void> {
    const code = await this.#delete(key, version, false)
    if (code === 'ObjectLocked' || code === 'unknown') return
    if (code === 'absent' && version.dying) return this.#forget(key, version)
    this.violations.push(`${key.name}: a delete without bypass: ${code} (T10)`)
  }

  async #check(key: Key, version: Known, backend?: Backend): Promise<void> {
    const { versionId, tag } = version
    const named = { bucket: BUCKET, key: key.name, versionId }
    const outcome = await this.#clients.ask(
      `lock get ${key.name} ${versionId}`,
      (node) => readTag(node, named),
      backend,
    )
    if (outcome === 'unknown') {
      if (backend !== undefined) this.violations.push(`${key.name} can't be read in the end`)
      return
    }
    const mayBeGone = version.dying && !isLocked(version)
    if ('code' in outcome) {
      if (outcome.code === 'NoSuchVersion' && mayBeGone) return this.#forget(key, version)
      return void this.violations.push(`${key.name} ${versionId}: ${outcome.code} (T10)`)
    }
    const { wrong } = outcome.value
    if (wrong !== undefined || outcome.value.tag !== tag) {
      this.violations.push(`${key.name} ${versionId}: ${wrong ?? 'other bytes'}`)
    }
    const found = await this.#lockOf(key, version, backend)
    if (found === 'unknown' || 'code' in found) return
    const { retention, legalHold } = found.value ?? {}
    const isKept = version.untilMs === 0 || (retention?.untilMs ?? 0) >= version.untilMs
    const isHeld = version.hold !== 'on' || legalHold === true
    if (!isKept || !isHeld) {
      const shown = JSON.stringify(found.value)
      this.violations.push(`${key.name} ${versionId}: its lock has become ${shown} (T10)`)
    }
  }

  #lockOf(
    key: Key,
    { versionId }: Known,
    backend?: Backend,
  ): Promise<Outcome<ObjectLock | undefined>> {
    const named = { bucket: BUCKET, key: key.name, versionId, withData: false }
    return this.#clients.ask(
      `lock of ${key.name} ${versionId}`,
      async (node) => (await node.getObject(clientContext('HeadObject'), named)).info.lock,
      backend,
    )
  }

  #change(key: Key, { versionId }: Known, change: ObjectChange): Promise<Outcome<unknown>> {
    return this.#clients.ask(
      `lock change ${key.name} ${versionId} ${JSON.stringify(change)}`,
      (backend) =>
        backend.changeObject(clientContext('PutObjectRetention'), {
          bucket: BUCKET,
          key: key.name,
          versionId,
          change,
        }),
    )
  }

  /** `gone`: this delete has removed it. `absent`: there was nothing to delete. */
  async #delete(
    key: Key,
    { versionId }: Known,
    bypassGovernance: boolean,
    backend?: Backend,
  ): Promise<string> {
    const outcome = await this.#clients.ask(
      `lock delete ${key.name} ${versionId} ${bypassGovernance}`,
      (node) =>
        node.deleteObject(clientContext('DeleteObject'), {
          bucket: BUCKET,
          key: key.name,
          versionId,
          bypassGovernance,
        }),
      backend,
    )
    if (outcome === 'unknown') return outcome
    if ('code' in outcome) return outcome.code
    return outcome.value.versionId === undefined ? 'absent' : 'gone'
  }

  #forget(key: Key, version: Known): void {
    key.versions = key.versions.filter((each) => each !== version)
  }

  async checkCalm(): Promise<void> {
    const { cluster } = this.#clients
    this.#setAhead()
    for (const number of cluster.numbers) {
      const backend = cluster.node(number)?.backend
      if (backend === undefined) continue
      for (const key of this.#keys) {
        for (const version of key.versions) {
          await this.#check(key, version, backend)
          if (!isLocked(version)) continue
          const code = await this.#delete(key, version, true, backend)
          if (code === 'ObjectLocked') continue
          this.violations.push(`${key.name} ${version.versionId}: in the end ${code} (T10)`)
        }
      }
    }
    cluster.jumpClock(this.#ahead, 0)
  }
}
