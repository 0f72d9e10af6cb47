/**
 * Settings that change under writers: nothing is written with a stale setting once its change was answered
 * (T8), and no decision rests on a policy that was replaced more than a second ago (T7).
 */

import type { Backend } from '../../gateway/port/backend.ts'
import type { Versioning } from '../../gateway/port/buckets.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { Clients, clientContext, putRequest, type Workload } from './clients.ts'

const BUCKET = 'settings'
const THINK_MS_MAX = 120
const STALE_MS_MAX = 1_000

/** In force for certain from `fromMs` on, until the next one is asked for. */
interface Setting<T> {
  readonly value: T
  readonly fromMs: number
}

class History<T> {
  readonly #sure: Setting<T>[] = []
  /** Instants from which on nothing is sure, until the next answer. */
  readonly #asked: number[] = []

  asking(atMs: number): void {
    this.#asked.push(atMs)
  }

  answered(value: T, fromMs: number): void {
    this.#sure.push({ value, fromMs })
  }

  /** What holds in all of [fromMs, toMs]; undefined when that is not certain. */
  during(fromMs: number, toMs: number): { value: T } | undefined {
    const setting = this.#sure.findLast((each) => each.fromMs <= fromMs)
    if (setting === undefined) return undefined
    const changed = this.#asked.some((atMs) => atMs >= setting.fromMs && atMs <= toMs)
    return changed ? undefined : setting
  }
}

export class SettingsWorkload implements Workload {
  readonly #clients: Clients
  readonly #versioning = new History<Versioning>()
  readonly #policy = new History<string>()
  #tag = 2_000_000

  constructor(cluster: SimulatedCluster) {
    this.#clients = new Clients(cluster)
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
    })
  }

  async run(isOver: () => boolean): Promise<void> {
    const loop = async (step: () => Promise<void>, pauseMs: number): Promise<void> => {
      while (!isOver()) {
        await this.#clients.think(pauseMs)
        await step()
      }
    }
    await Promise.all([
      loop(() => this.#change(), 10 * THINK_MS_MAX),
      loop(() => this.#put(), THINK_MS_MAX),
      loop(() => this.#put(), THINK_MS_MAX),
      loop(() => this.#decide(), THINK_MS_MAX),
    ])
  }

  async #change(): Promise<void> {
    const versioning: Versioning = this.#clients.cluster.random() < 0.5 ? 'Enabled' : 'Suspended'
    const policy = `{"turn":${++this.#tag}}`
    const both = this.#clients.cluster.random() < 0.5
    const askedMs = this.#clients.nowMs
    this.#policy.asking(askedMs)
    if (both) this.#versioning.asking(askedMs)
    const change = both ? { versioning, policy } : { policy }
    const outcome = await this.#clients.ask(`settings ${JSON.stringify(change)}`, (backend) =>
      backend.changeBucket(clientContext('PutBucketPolicy'), { bucket: BUCKET, change }),
    )
    if (outcome === 'unknown' || 'code' in outcome) return
    this.#policy.answered(policy, this.#clients.nowMs)
    if (both) this.#versioning.answered(versioning, this.#clients.nowMs)
  }

  async #put(): Promise<void> {
    const tag = ++this.#tag
    const key = `key/${tag % 3}`
    const calledMs = this.#clients.nowMs
    const outcome = await this.#clients.ask(`settings put ${key} ${tag}`, (backend) =>
      backend.putObject(clientContext('PutObject'), putRequest(BUCKET, key, tag)),
    )
    if (outcome === 'unknown' || 'code' in outcome) return
    const wanted = this.#versioning.during(calledMs, this.#clients.nowMs)?.value
    if (wanted === undefined) return
    const { versionId } = outcome.value
    if ((wanted === 'Suspended') !== (versionId === 'null')) {
      this.violations.push(`a put at ${calledMs} under ${wanted} made version ${versionId} (T8)`)
    }
  }

  async #decide(): Promise<void> {
    const calledMs = this.#clients.nowMs
    const outcome = await this.#clients.ask('settings access', (backend) =>
      backend.bucketAccess(clientContext('GetObject'), BUCKET),
    )
    if (outcome === 'unknown' || 'code' in outcome) return
    const wanted = this.#policy.during(calledMs - STALE_MS_MAX, this.#clients.nowMs)?.value
    const { policy } = outcome.value.settings
    if (wanted !== undefined && policy !== wanted) {
      this.violations.push(`a decision at ${calledMs} by ${policy}, not ${wanted} (T7)`)
    }
  }

  async checkCalm(): Promise<void> {
    const now = this.#clients.nowMs
    const wanted = this.#policy.during(now, now)?.value
    for (const number of this.#clients.cluster.numbers) {
      const backend = this.#clients.cluster.node(number)?.backend
      if (backend === undefined) continue
      const outcome = await this.#clients.ask(
        'settings in the end',
        (node) => node.getBucketSettings(clientContext('GetBucketPolicy'), BUCKET),
        backend,
      )
      if (outcome === 'unknown' || 'code' in outcome) {
        this.violations.push(`node ${number} can't say the settings in the end`)
      } else if (wanted !== undefined && outcome.value.policy !== wanted) {
        this.violations.push(`node ${number} ends with ${outcome.value.policy}, not ${wanted}`)
      }
    }
  }
}
