/**
 * Objects that get other keys of their bucket while others write, delete and rename them. To the checker a rename is two
 * changes: the new key is put, and the old one is taken, which only works on the object that was put. So a put that was acknowledged
 * can't be lost by a rename, and no rename succeeds that has left its source.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { RenameRequest } from '../../gateway/port/objects.ts'
import {
  isLinearizable,
  type CheckedCall,
  type HistoryOperation,
} from '../checkers/linearizability.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { clientContext, Clients, putRequest, readTag, type Workload } from './clients.ts'

const BUCKET = 'renames'
const KEYS = ['rename/0', 'rename/1', 'rename/2', 'rename/3']
const THINK_MS_MAX = 150

export class RenamesWorkload implements Workload {
  readonly #clients: Clients
  readonly #count: number
  readonly #histories = new Map<string, CheckedCall[]>(KEYS.map((key) => [key, []]))
  #tag = 6_000_000

  constructor(cluster: SimulatedCluster, count: number) {
    this.#clients = new Clients(cluster)
    this.#count = count
  }

  get violations(): string[] {
    return this.#clients.violations
  }

  get counts(): { done: number; unknown: number } {
    return this.#clients.counts
  }

  async prepare(backend: Backend): Promise<void> {
    const request = { bucket: BUCKET, ownerAccount: '1', region: 'sim' }
    await backend.createBucket(clientContext('CreateBucket'), request)
  }

  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, () => this.#client(isOver)))
    for (const [key, history] of this.#histories) {
      if (isLinearizable(history)) continue
      const shown = JSON.stringify(history).slice(0, 4_000)
      this.violations.push(`history of ${key} is not linearizable: ${shown}`)
    }
  }

  /** Once all is calm, every node says the same of each key. */
  async checkCalm(): Promise<void> {
    const { cluster } = this.#clients
    for (const key of KEYS) {
      const seen = new Set<unknown>()
      for (const number of cluster.numbers) {
        const backend = cluster.node(number)?.backend
        if (backend !== undefined) seen.add((await this.#read(key, backend))?.tag ?? 'none')
      }
      if (seen.size > 1) this.violations.push(`nodes disagree about ${key}: ${[...seen].join()}`)
    }
  }

  async #client(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#clients.think(THINK_MS_MAX)
      const key = this.#clients.pick(KEYS)!
      const dice = this.#clients.cluster.random()
      if (dice < 0.3) await this.#put(key)
      else if (dice < 0.4) await this.#delete(key)
      else if (dice < 0.6) await this.#read(key)
      else await this.#rename(key)
    }
  }

  async #put(key: string): Promise<void> {
    const tag = ++this.#tag
    await this.#noted(key, { type: 'put', tag }, (backend) =>
      backend.putObject(clientContext('PutObject'), putRequest(BUCKET, key, tag)),
    )
  }

  async #delete(key: string): Promise<void> {
    await this.#noted(key, { type: 'delete' }, (backend) =>
      backend.deleteObject(clientContext('DeleteObject'), { bucket: BUCKET, key }),
    )
  }

  async #noted(
    key: string,
    operation: HistoryOperation,
    call: (backend: Backend) => Promise<unknown>,
  ): Promise<void> {
    const calledMs = this.#clients.nowMs
    const outcome = await this.#clients.ask(`${operation.type} ${key}`, call)
    const isDone = outcome !== 'unknown' && 'value' in outcome
    if (outcome !== 'unknown' && !isDone) this.violations.push(`${key}: ${outcome.code}`)
    this.#note(key, operation, calledMs, isDone)
  }

  #note(key: string, operation: HistoryOperation, calledMs: number, isDone: boolean): void {
    const returnedMs = isDone ? this.#clients.nowMs : Infinity
    this.#histories.get(key)!.push({ operation, calledMs, returnedMs })
  }

  /** What is there; undefined when nothing is, or nobody answers. */
  async #read(
    key: string,
    node?: Backend,
  ): Promise<{ tag: number; lastModifiedMs: number } | undefined> {
    const calledMs = this.#clients.nowMs
    const outcome = await this.#clients.ask(
      `get ${key}`,
      async (backend) => {
        try {
          return await readTag(backend, { bucket: BUCKET, key })
        } catch (error) {
          if (error instanceof StoreError && error.code === 'NoSuchKey') return undefined
          throw error
        }
      },
      node,
    )
    if (outcome === 'unknown') return undefined
    if ('code' in outcome) {
      this.violations.push(`get ${key}: ${outcome.code}`)
      return undefined
    }
    const { value } = outcome
    if (value?.wrong !== undefined) this.violations.push(`get ${key}: ${value.wrong}`)
    this.#note(key, { type: 'get', tag: value?.tag }, calledMs, true)
    return value
  }

  /** Some are repeated with the same token when nobody has answered, through any node. */
  async #rename(key: string): Promise<void> {
    const source = await this.#read(key)
    const target = this.#clients.pick(KEYS.filter((each) => each !== key))!
    if (source === undefined) return
    const { tag, lastModifiedMs } = source
    const seen = { etag: String(tag), lastModifiedMs }
    const token = this.#clients.cluster.random() < 0.5 ? String(++this.#tag) : undefined
    const request = { bucket: BUCKET, source: key, key: target, seen, token }
    const calledMs = this.#clients.nowMs
    const done = await this.#ask(request)
    const again = done === 'unknown' && token !== undefined ? await this.#ask(request) : undefined
    this.#note(target, { type: 'put', tag }, calledMs, done === 'ok' || again === 'ok')
    // After a repeat, another rename may have taken it.
    this.#note(key, { type: 'take', tag }, calledMs, done === 'ok')
  }

  /** `refused`: the object may have both keys now, or its old one alone. */
  async #ask(request: RenameRequest): Promise<'ok' | 'refused' | 'unknown'> {
    const { source, key } = request
    const outcome = await this.#clients.ask(`rename ${source} ${key}`, (backend) =>
      backend.renameObject(clientContext('RenameObject'), request),
    )
    if (outcome === 'unknown') return outcome
    if ('value' in outcome) return 'ok'
    if (outcome.code !== 'NoSuchKey' && outcome.code !== 'Conflict') {
      this.violations.push(`rename ${source} ${key}: ${outcome.code}`)
    }
    return 'refused'
  }
}
