/** Clients that put, get, delete, create if absent and list, through any node; and what they saw. */

import { StoreError } from '../../protocol/errors.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  isLinearizable,
  type CheckedCall,
  type HistoryOperation,
} from '../checkers/linearizability.ts'
import { clientContext, writtenContent, leavesOpen, putRequest, type Workload } from './clients.ts'

/** Renames have a workload of their own. */
type PlainOperation = Exclude<HistoryOperation, { readonly type: 'take' }>

const BUCKET = 'simulated'
const THINK_MS_MAX = 60
/** A client gives up on a node that does not answer: what it asked for may still happen. */
const CLIENT_TIMEOUT_MS = 20_000

export class ObjectsWorkload implements Workload {
  readonly violations: string[] = []
  readonly counts = { done: 0, unknown: 0 }
  readonly #cluster: SimulatedCluster
  readonly #clients: number
  readonly #histories = new Map<string, CheckedCall[]>()
  #tag = 0

  constructor(cluster: SimulatedCluster, { clients, keys }: { clients: number; keys: number }) {
    this.#cluster = cluster
    this.#clients = clients
    for (let i = 0; i < keys; i++) this.#histories.set(`key/${i}`, [])
  }

  async prepare(backend: Backend): Promise<void> {
    await backend.createBucket(clientContext('CreateBucket'), {
      bucket: BUCKET,
      ownerAccount: '1',
      region: 'sim',
    })
  }

  async run(isOver: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: this.#clients }, (_, i) => this.#client(i, isOver)))
    this.#checkHistories()
  }

  /** Safety of what was seen, lists included: of each key a list is a read. */
  #checkHistories(): void {
    for (const [key, history] of this.#histories) {
      if (!isLinearizable(history)) {
        this.violations.push(`history of ${key} is not linearizable: ${describe(history)}`)
      }
    }
  }

  /** Liveness, once all is calm: every node gives the same answer, and lists agree with reads. */
  async checkCalm(): Promise<void> {
    let first: string | undefined
    for (const number of this.#cluster.numbers) {
      const backend = this.#cluster.node(number)?.backend
      if (backend === undefined) {
        this.violations.push(`node ${number} is not up in the end`)
        continue
      }
      const present: string[] = []
      for (const key of this.#histories.keys()) {
        const tag = await this.#perform(backend, key, { type: 'get', tag: undefined })
        if (tag === 'unknown') this.violations.push(`${key} can't be read through ${number}`)
        else if (tag.type === 'get' && tag.tag !== undefined) present.push(`${key}=${tag.tag}`)
      }
      const listed = await backend
        .listObjects(clientContext('ListObjectsV2'), { bucket: BUCKET, prefix: '', limit: 1000 })
        .then(({ objects }) => [...objects].map(({ key }) => key))
        .catch(() => undefined)
      const names = present.map((each) => each.split('=')[0]!).sort()
      if (JSON.stringify(listed) !== JSON.stringify(names)) {
        this.violations.push(`list through ${number} is ${String(listed)}, not ${String(names)}`)
      }
      const answer = present.join(' ')
      first ??= answer
      if (answer !== first) this.violations.push(`nodes disagree: ${answer} and ${first}`)
    }
  }

  async #client(number: number, isOver: () => boolean): Promise<void> {
    const { clock } = this.#cluster
    while (!isOver()) {
      await this.#think()
      const backend = this.#anyBackend()
      if (backend === undefined) continue
      if (this.#cluster.random() < 0.06) {
        await this.#list(backend)
        continue
      }
      const keys = [...this.#histories.keys()]
      const key = keys[Math.floor(this.#cluster.random() * keys.length)]!
      const wanted = this.#draw()
      const calledMs = clock.monotonicMs()
      const result = await this.#perform(backend, key, wanted)
      const name = result === 'unknown' ? 'unknown' : JSON.stringify(result)
      this.#cluster.trace(`client ${number} ${wanted.type} ${key} ${name}`)
      this.#note(key, wanted, result, calledMs)
    }
  }

  #note(
    key: string,
    wanted: PlainOperation,
    result: PlainOperation | 'unknown',
    calledMs: number,
  ): void {
    const history = this.#histories.get(key)!
    if (result === 'unknown') {
      this.counts.unknown++
      // A read without an answer constrains nothing; a create may have happened or not.
      if (wanted.type === 'get') return
      history.push({ operation: wanted, calledMs, returnedMs: Infinity })
      return
    }
    this.counts.done++
    history.push({
      operation: result,
      calledMs,
      returnedMs: this.#cluster.clock.monotonicMs(),
    })
  }

  #draw(): PlainOperation {
    const dice = this.#cluster.random()
    const tag = ++this.#tag
    if (dice < 0.35) return { type: 'put', tag }
    if (dice < 0.5) return { type: 'create', tag, done: true }
    if (dice < 0.62) return { type: 'delete' }
    return { type: 'get', tag: undefined }
  }

  #anyBackend(): Backend | undefined {
    const up: Backend[] = []
    for (const i of this.#cluster.numbers) {
      const node = this.#cluster.node(i)
      if (node !== undefined) up.push(node.backend)
    }
    return up[Math.floor(this.#cluster.random() * up.length)]
  }

  /** What happened, with its real outcome filled in. */
  async #perform(
    backend: Backend,
    key: string,
    wanted: PlainOperation,
  ): Promise<PlainOperation | 'unknown'> {
    try {
      return await this.#withDeadline(this.#call(backend, key, wanted))
    } catch (error) {
      if (error instanceof StoreError) {
        if (error.code === 'PreconditionFailed' && wanted.type === 'create') {
          return { ...wanted, done: false }
        }
        if (error.code === 'NoSuchKey' && wanted.type === 'get') {
          return { type: 'get', tag: undefined }
        }
        if (!leavesOpen(error)) {
          this.violations.push(`${wanted.type} of ${key} was answered ${error.code}`)
        }
        return 'unknown'
      }
      if (error !== TIMEOUT) this.violations.push(`${wanted.type} of ${key} threw ${String(error)}`)
      return 'unknown'
    }
  }

  async #call(backend: Backend, key: string, wanted: PlainOperation): Promise<PlainOperation> {
    const bucket = BUCKET
    switch (wanted.type) {
      case 'put':
      case 'create': {
        await backend.putObject(clientContext('PutObject'), {
          ...putRequest(bucket, key, wanted.tag),
          ...(wanted.type === 'create' && { condition: { ifNoneMatch: ['*'] } }),
        })
        return wanted
      }
      case 'delete':
        await backend.deleteObject(clientContext('DeleteObject'), { bucket, key })
        return wanted
      case 'get': {
        const reader = await backend.getObject(clientContext('GetObject'), {
          bucket,
          key,
          withData: true,
        })
        const { sizeBytes, etag } = reader.info
        const tag = Number(etag)
        const expected = writtenContent(tag)
        let at = 0
        const chunks = reader.bytes === undefined ? reader.read(0, sizeBytes) : [reader.bytes]
        for await (const chunk of chunks) {
          if (Buffer.compare(chunk, expected.subarray(at, at + chunk.length)) !== 0) {
            this.violations.push(`wrong bytes of ${key} at ${at}`)
          }
          at += chunk.length
        }
        if (at !== expected.length) this.violations.push(`${key} has ${at} bytes, not ${sizeBytes}`)
        return { type: 'get', tag }
      }
    }
  }

  async #list(backend: Backend): Promise<void> {
    const { clock } = this.#cluster
    const calledMs = clock.monotonicMs()
    try {
      const page = await this.#withDeadline(
        backend.listObjects(clientContext('ListObjectsV2'), {
          bucket: BUCKET,
          prefix: '',
          limit: 1000,
        }),
      )
      const returnedMs = clock.monotonicMs()
      const tags = new Map([...page.objects].map(({ key, etag }) => [key, Number(etag)]))
      for (const [key, history] of this.#histories) {
        history.push({ operation: { type: 'get', tag: tags.get(key) }, calledMs, returnedMs })
      }
      this.counts.done++
    } catch (error) {
      this.counts.unknown++
      if (error !== TIMEOUT && !(error instanceof StoreError)) {
        this.violations.push(`list threw ${String(error)}`)
      }
    }
  }

  async #withDeadline<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    let cancel = (): void => {}
    const late = new Promise<never>((_, reject) => {
      // oxlint-disable-next-line prefer-promise-reject-errors
      cancel = this.#cluster.clock.after(CLIENT_TIMEOUT_MS, () => reject(TIMEOUT))
    })
    try {
      return await Promise.race([work, late])
    } finally {
      cancel()
    }
  }

  #think(): Promise<void> {
    const delayMs = this.#cluster.random() * THINK_MS_MAX * this.#cluster.thinkFactor
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}

const TIMEOUT = new Error('no answer in time')

function describe(history: readonly CheckedCall[]): string {
  return history
    .map(
      ({ operation, calledMs, returnedMs }) =>
        `${JSON.stringify(operation)}@${calledMs.toFixed(1)}-${returnedMs.toFixed(1)}`,
    )
    .join(' ')
    .slice(0, 4000)
}
