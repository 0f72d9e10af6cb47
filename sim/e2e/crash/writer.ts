/** One writer: overwrites, deletes and multipart completions on keys of its own, until it is stopped. */

import { s3ErrorCode } from '../../../bench/harness/s3.ts'
import type { RawClient, S3Reply, BenchRequest } from '../../../bench/harness/s3.ts'
import { seededBytes } from '../files.ts'
import type { Ledger, Value } from './ledger.ts'

export const crashBucket = 'crash'
const keysOfWriter = 6
const partBytes = 5 << 20

/** Empty, packed (at most 64 KiB), one block, several blocks: 0 B … 3 MiB. */
function drawSize(): number {
  const draw = Math.random()
  if (draw < 0.1) return 0
  if (draw < 0.5) return 1 + Math.floor(Math.random() * 4_096)
  if (draw < 0.75) return 65_000 + Math.floor(Math.random() * 1_000)
  if (draw < 0.9) return Math.floor(Math.random() * (1 << 20))
  return (1 << 20) + Math.floor(Math.random() * (2 << 20))
}

export class Writer {
  readonly #index: number
  readonly #clients: readonly RawClient[]
  readonly #ledger: Ledger
  /** Answers that neither confirm the request nor refuse it definitely, counted by status. */
  readonly errors = new Map<string, number>()

  constructor(index: number, clients: readonly RawClient[], ledger: Ledger) {
    this.#index = index
    this.#clients = clients
    this.#ledger = ledger
  }

  /** Ends when `stopped` says so, at the latest with its request. */
  async run(stopped: () => boolean): Promise<void> {
    let turn = 0
    while (!stopped()) {
      const key = `writer-${this.#index}/key-${turn++ % keysOfWriter}`
      const draw = Math.random()
      if (draw < 0.08) await this.#delete(key)
      else if (draw < 0.11) await this.#multipart(key, stopped)
      else await this.#put(key)
    }
  }

  #client(): RawClient {
    const client = this.#clients[Math.floor(Math.random() * this.#clients.length)]
    if (client === undefined) throw new Error('no gateway')
    return client
  }

  async #put(key: string): Promise<void> {
    const value = { seed: drawSeed(), sizeBytes: drawSize() }
    const body = seededBytes(value.seed, value.sizeBytes)
    await this.#change(key, value, { method: 'PUT', bucket: crashBucket, key, body })
  }

  async #delete(key: string): Promise<void> {
    await this.#change(key, undefined, { method: 'DELETE', bucket: crashBucket, key })
  }

  /** Two parts. Nothing but the completion can change the object. */
  async #multipart(key: string, stopped: () => boolean): Promise<void> {
    const value = { seed: drawSeed(), sizeBytes: partBytes + Math.floor(Math.random() * (1 << 20)) }
    const body = seededBytes(value.seed, value.sizeBytes)
    const begun = await this.#try({
      method: 'POST',
      bucket: crashBucket,
      key,
      query: { uploads: '' },
    })
    const uploadId = /<UploadId>([^<]+)</.exec(begun?.body.toString() ?? '')?.[1]
    if (uploadId === undefined) return
    const tags: string[] = []
    for (const [at, part] of [body.subarray(0, partBytes), body.subarray(partBytes)].entries()) {
      const query = { partNumber: String(at + 1), uploadId }
      const reply = await this.#try({ method: 'PUT', bucket: crashBucket, key, query, body: part })
      if (reply?.status !== 200 || stopped()) return
      tags.push(String(reply.headers.etag))
    }
    const parts = tags.map(
      (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`,
    )
    const xml = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    await this.#change(key, value, {
      method: 'POST',
      bucket: crashBucket,
      key,
      query: { uploadId },
      body: xml,
    })
  }

  /** A reply, or undefined when there was none. */
  async #try(request: BenchRequest): Promise<S3Reply | undefined> {
    try {
      const reply = await this.#client().send({ ...request, timeoutMs: 30_000 })
      if (reply.status >= 400) this.#count(s3ErrorCode(reply))
      return reply
    } catch {
      return undefined
    }
  }

  async #change(key: string, value: Value, request: BenchRequest): Promise<void> {
    const reply = await this.#try(request)
    const done = reply !== undefined && reply.status < 300 && !isErrorBody(reply)
    if (done) this.#ledger.acknowledge(key, value)
    // A 4xx says that nothing was done; anything else says nothing.
    else if (reply === undefined || reply.status >= 500 || reply.status < 300) {
      this.#ledger.leaveUnknown(key, value)
    }
  }

  #count(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }
}

/** CompleteMultipartUpload may answer 200 and an error in the body. */
function isErrorBody(reply: S3Reply): boolean {
  return reply.body.subarray(0, 200).includes('<Error>')
}

function drawSeed(): number {
  return 1 + Math.floor(Math.random() * 0x7fffffff)
}
