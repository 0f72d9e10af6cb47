/** What clients do during the faults: on keys of one bucket, and on buckets with one object. */

import { createHash } from 'node:crypto'
import { s3ErrorCode, type RawClient, type S3Reply } from '../../../bench/harness/s3.ts'
import type { BucketAnswer, BucketStep, KeyStep } from './models.ts'
import { recordedBody, History, sent, tagOf, type HistoryVerdict } from './record.ts'

/** So that the search for an order stays short. */
const CALLS_MAX = 220
const UNKNOWN_MAX = 10
const KEYS_AT_ONCE = 6
const BUCKETS_AT_ONCE = 2
const SMALL_BYTES = 200
/** Large enough to be stored in blocks of their own. */
const LARGE_BYTES = 150_000
const KEYS_BUCKET = 'history'

export interface FoundValue {
  readonly title: string
  readonly history: History<KeyStep> | History<BucketStep>
}

export class Workloads {
  readonly keys: History<KeyStep>[] = []
  readonly buckets: History<BucketStep>[] = []
  readonly errors: string[] = []
  readonly #clients: readonly RawClient[]
  /** ETag to tag, for conditions and listings. */
  readonly #tags = new Map<string, number>()
  readonly #etags = new Map<number, string>()
  #lastTag = 0
  #drawn = 0

  constructor(clients: readonly RawClient[]) {
    this.#clients = clients
  }

  async prepare(): Promise<void> {
    await this.#clients[0]?.must({ method: 'PUT', bucket: KEYS_BUCKET })
    for (let i = 0; i < KEYS_AT_ONCE; i++) this.#newKey(i)
    for (let i = 0; i < BUCKETS_AT_ONCE; i++) this.#newBucket(i)
  }

  /** One client: one call after the other. */
  async run(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      try {
        const dice = Math.random()
        if (dice < 0.1) await this.#list()
        else if (dice < 0.3) await this.#bucketStep()
        else await this.#keyStep()
      } catch (error) {
        this.errors.push(String(error))
      }
      await new Promise((resolve) => void setTimeout(resolve, Math.random() * 40))
    }
  }

  #client(): RawClient {
    const client = this.#clients[Math.floor(Math.random() * this.#clients.length)]
    if (client === undefined) throw new Error('no gateway')
    return client
  }

  #newKey(slot: number): History<KeyStep> {
    const history = new History<KeyStep>(`key-${this.#drawn++}`)
    this.#liveKeys[slot] = history
    this.keys.push(history)
    return history
  }

  #newBucket(slot: number): History<BucketStep> {
    const history = new History<BucketStep>(`history-${this.#drawn++}`)
    this.#liveBuckets[slot] = history
    this.buckets.push(history)
    return history
  }

  readonly #liveKeys: History<KeyStep>[] = []
  readonly #liveBuckets: History<BucketStep>[] = []

  /** A write with its own tag. */
  #write(): { tag: number; body: Buffer; etag: string } {
    const tag = ++this.#lastTag
    const body = recordedBody(tag, Math.random() < 0.2 ? LARGE_BYTES : SMALL_BYTES)
    const etag = `"${createHash('md5').update(body).digest('hex')}"`
    this.#tags.set(etag, tag)
    this.#etags.set(tag, etag)
    return { tag, body, etag }
  }

  async #keyStep(): Promise<void> {
    const slot = Math.floor(Math.random() * KEYS_AT_ONCE)
    let history = this.#liveKeys[slot]!
    if (isFull(history)) history = this.#newKey(slot)
    const client = this.#client()
    const target = { bucket: KEYS_BUCKET, key: history.name }
    const dice = Math.random()
    if (dice < 0.45) {
      await history.note(() => sent(client, { method: 'GET', ...target }), readStep)
    } else if (dice < 0.55) {
      await history.note(
        () => sent(client, { method: 'DELETE', ...target }),
        ({ status }) => (status === 204 ? { type: 'delete' } : 'unknown'),
        { type: 'delete' },
      )
    } else if (dice < 0.75) {
      const { tag, body } = this.#write()
      await history.note(
        () => sent(client, { method: 'PUT', ...target, body }),
        ({ status }) => (status === 200 ? { type: 'put', tag } : 'unknown'),
        { type: 'put', tag },
      )
    } else if (dice < 0.87) {
      const { tag, body } = this.#write()
      const headers = { 'if-none-match': '*' }
      await history.note(
        () => sent(client, { method: 'PUT', ...target, body, headers }),
        (reply) => conditional(reply, (done) => ({ type: 'create', tag, done })),
        { type: 'create', tag, done: true },
      )
    } else await this.#swap(history, client)
  }

  async #swap(history: History<KeyStep>, client: RawClient): Promise<void> {
    const last = history.calls.findLast(({ step }) => step.type !== 'delete' && 'tag' in step)?.step
    const before = last !== undefined && 'tag' in last ? last.tag : undefined
    const condition = before === undefined ? undefined : this.#etags.get(before)
    if (before === undefined || condition === undefined) return
    const { tag, body } = this.#write()
    const headers = { 'if-match': condition }
    await history.note(
      () => sent(client, { method: 'PUT', bucket: KEYS_BUCKET, key: history.name, body, headers }),
      (reply) =>
        reply.status === 404
          ? { type: 'swap', before, tag, done: false }
          : conditional(reply, (done) => ({ type: 'swap', before, tag, done })),
      { type: 'swap', before, tag, done: true },
    )
  }

  /** One read of each key that was under study all the while. */
  async #list(): Promise<void> {
    const studied = [...this.#liveKeys]
    const calledMs = performance.now()
    const request = { method: 'GET', bucket: KEYS_BUCKET, query: { 'list-type': '2' } } as const
    const reply = await sent(this.#client(), request).catch(() => undefined)
    const returnedMs = performance.now()
    if (reply?.status !== 200) return
    const text = reply.body.toString('utf8')
    if (text.includes('<IsTruncated>true'))
      throw new Error('the listing is too long for this check')
    const found = new Map<string, number | undefined>()
    for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = /<Key>([^<]*)</.exec(entry)?.[1] ?? ''
      const etag = (/<ETag>([^<]*)</.exec(entry)?.[1] ?? '').replaceAll('&quot;', '"')
      if (!this.#tags.has(etag)) throw new Error(`an ETag that no client wrote is listed: ${etag}`)
      found.set(key, this.#tags.get(etag))
    }
    for (const history of studied) {
      const step = { type: 'read', tag: found.get(history.name) } as const
      history.calls.push({ step, calledMs, returnedMs })
    }
  }

  async #bucketStep(): Promise<void> {
    const slot = Math.floor(Math.random() * BUCKETS_AT_ONCE)
    let history = this.#liveBuckets[slot]!
    if (isFull(history)) history = this.#newBucket(slot)
    const bucket = history.name
    const client = this.#client()
    const dice = Math.random()
    const plain = async (
      type: 'make' | 'drop' | 'erase' | 'head',
      send: () => Promise<S3Reply>,
    ): Promise<void> => {
      const verdict = (reply: S3Reply): HistoryVerdict<BucketStep> => {
        const answer = answerOf(reply)
        if (answer === 'no-key') return 'nothing'
        return answer === undefined ? unknownOf(reply) : { type, answer }
      }
      await history.note(send, verdict, type === 'head' ? undefined : { type, answer: 'ok' })
    }
    if (dice < 0.15) await plain('make', () => sent(client, { method: 'PUT', bucket }))
    else if (dice < 0.3) await plain('drop', () => sent(client, { method: 'DELETE', bucket }))
    else if (dice < 0.4) {
      await plain('erase', () => sent(client, { method: 'DELETE', bucket, key: 'one' }))
    } else if (dice < 0.5) await plain('head', () => sent(client, { method: 'HEAD', bucket }))
    else if (dice < 0.65) {
      const { tag, body } = this.#write()
      await history.note(
        () => sent(client, { method: 'PUT', bucket, key: 'one', body }),
        (reply) => {
          const answer = answerOf(reply)
          return answer === undefined ? unknownOf(reply) : { type: 'put', tag, answer }
        },
        { type: 'put', tag, answer: 'ok' },
      )
    } else if (dice < 0.85) {
      await history.note(
        () => sent(client, { method: 'GET', bucket, key: 'one' }),
        (reply) => {
          const answer = answerOf(reply)
          if (answer === undefined) return 'nothing'
          const tag = answer === 'ok' ? tagOf(reply.body) : undefined
          return { type: 'get', tag, answer }
        },
      )
    } else {
      await history.note(
        () => sent(client, { method: 'GET', bucket, query: { 'list-type': '2' } }),
        (reply) => {
          const answer = answerOf(reply)
          if (answer === undefined) return 'nothing'
          const etag = /<ETag>([^<]*)</.exec(reply.body.toString('utf8'))?.[1]
          const tag = etag && this.#tags.get(etag.replaceAll('&quot;', '"'))
          return { type: 'list', tag: tag === '' ? undefined : tag, answer }
        },
      )
    }
  }
}

function isFull({ calls, unknown }: History<unknown>): boolean {
  return calls.length >= CALLS_MAX || unknown >= UNKNOWN_MAX
}

function readStep(reply: S3Reply): HistoryVerdict<KeyStep> {
  if (reply.status === 200) return { type: 'read', tag: tagOf(reply.body) }
  return s3ErrorCode(reply) === 'NoSuchKey' ? { type: 'read', tag: undefined } : 'nothing'
}

function conditional(reply: S3Reply, step: (done: boolean) => KeyStep): HistoryVerdict<KeyStep> {
  if (reply.status === 200) return step(true)
  return reply.status === 412 ? step(false) : 'unknown'
}

/** Undefined when it says nothing about the state. */
function answerOf(reply: S3Reply): BucketAnswer | undefined {
  if (reply.status < 300) return 'ok'
  // HEAD has no body: only a missing bucket answers it with 404.
  if (reply.status === 404 && reply.body.length === 0) return 'no-bucket'
  switch (s3ErrorCode(reply)) {
    case 'NoSuchBucket':
      return 'no-bucket'
    case 'NoSuchKey':
      return 'no-key'
    case 'BucketAlreadyOwnedByYou':
      return 'exists'
    case 'BucketNotEmpty':
      return 'not-empty'
    default:
      return undefined
  }
}

/** A conflict with an operation under way had no effect (409); anything else may have had one (P4). */
function unknownOf(reply: S3Reply): 'nothing' | 'unknown' {
  return reply.status === 409 ? 'nothing' : 'unknown'
}
