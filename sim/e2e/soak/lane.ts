/**
 * One client of a soak: a mixed load on keys of its own, so that it knows what each must hold. It uses all gateways in
 * turn.
 */

import { s3ErrorCode, type RawClient, type BenchRequest } from '../../../bench/harness/s3.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import { seededBytes } from '../files.ts'
import { readSlowly } from './slow-reader.ts'
import type { SoakTally } from './tally.ts'

export const SOAK_BUCKET = 'soak'
const SMALL_KEYS = 400
const LARGE_KEYS = 12
const PART_BYTES = 5 << 20
const SLOW_MAX = 2
const SLOW_BYTES_PER_SECOND = 300_000

interface Known {
  readonly seed: number
  readonly sizeBytes: number
}

export interface LaneOptions {
  readonly number: number
  readonly clients: readonly RawClient[]
  readonly credentials: Credentials
  readonly tally: SoakTally
  readonly isOver: () => boolean
}

export class SoakClient {
  readonly wrong: string[] = []
  readonly #options: LaneOptions
  /** Undefined for a deleted key. A key that was never written, or whose last write has an unknown outcome, has no
   * entry. */
  readonly #known = new Map<string, Known | undefined>()
  readonly #slow = new Set<Promise<void>>()
  #state: number
  #seed: number
  #turn = 0
  #slowReads = 0

  constructor(options: LaneOptions) {
    this.#options = options
    this.#state = (options.number + 1) * 7_919
    this.#seed = options.number * 1_000_000
  }

  async run(): Promise<void> {
    while (!this.#options.isOver()) {
      const draw = this.#draw()
      if (draw < 0.32) await this.#put(this.#small(), this.#size(100, 60_000))
      else if (draw < 0.4) await this.#put(this.#large(), this.#size(1 << 20, 6 << 20))
      else if (draw < 0.43) await this.#multipart(this.#large())
      else if (draw < 0.78) await this.#get(this.#draw() < 0.85 ? this.#small() : this.#large())
      else if (draw < 0.86) await this.#list()
      else if (draw < 0.975) await this.#delete(this.#draw() < 0.8 ? this.#small() : this.#large())
      else this.#beginSlowly()
    }
    await Promise.all(this.#slow)
  }

  /** Everything that must be there now, byte by byte. */
  async checkAll(): Promise<number> {
    let checked = 0
    for (const key of this.#known.keys()) {
      await this.#get(key)
      checked++
    }
    return checked
  }

  #beginSlowly(): void {
    if (this.#slow.size >= SLOW_MAX) return
    const over = this.#slowly(`${this.#options.number}/slow-${this.#slowReads++}`)
    this.#slow.add(over)
    void over.finally(() => this.#slow.delete(over))
  }

  async #put(key: string, sizeBytes: number): Promise<void> {
    const seed = ++this.#seed
    const body = seededBytes(seed, sizeBytes)
    this.#known.delete(key)
    const done = await this.#send('PUT', { method: 'PUT', key, body })
    if (done !== undefined) this.#known.set(key, { seed, sizeBytes })
  }

  async #multipart(key: string): Promise<void> {
    const begun = await this.#send('multipart', { method: 'POST', key, query: { uploads: '' } })
    const uploadId = /<UploadId>([^<]+)</.exec(begun?.toString() ?? '')?.[1]
    if (uploadId === undefined) return
    const seed = ++this.#seed
    const body = seededBytes(seed, PART_BYTES + this.#size(1, PART_BYTES))
    const bodies = [body.subarray(0, PART_BYTES), body.subarray(PART_BYTES)]
    const etags: string[] = []
    for (const [i, part] of bodies.entries()) {
      const query = { partNumber: String(i + 1), uploadId }
      const etag = await this.#send('part', { method: 'PUT', key, query, body: part }, 'etag')
      if (etag === undefined) return
      etags.push(etag.toString())
    }
    const list = etags.map(
      (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    )
    const xml = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`)
    this.#known.delete(key)
    const query = { uploadId }
    const done = await this.#send('multipart', { method: 'POST', key, query, body: xml })
    if (done?.includes('<Error>') === false) {
      this.#known.set(key, { seed, sizeBytes: body.length })
    }
  }

  async #get(key: string): Promise<void> {
    if (!this.#known.has(key)) return
    const known = this.#known.get(key)
    const body = await this.#send(
      'GET',
      { method: 'GET', key },
      known === undefined ? '404' : 'body',
    )
    if (body === undefined || known === undefined) return
    this.#compare(key, known, body)
  }

  async #delete(key: string): Promise<void> {
    this.#known.delete(key)
    const done = await this.#send('DELETE', { method: 'DELETE', key })
    if (done !== undefined) this.#known.set(key, undefined)
  }

  async #list(): Promise<void> {
    const prefix = `${this.#options.number}/small`
    const query = { 'list-type': '2', prefix, 'max-keys': '1000' }
    const page = await this.#send('LIST', { method: 'GET', query })
    if (page === undefined) return
    const listed = new Set([...page.toString().matchAll(/<Key>([^<]+)</g)].map(([, key]) => key))
    for (const [key, known] of this.#known) {
      if (!key.startsWith(prefix)) continue
      if ((known !== undefined) !== listed.has(key)) {
        this.wrong.push(`${key} is ${listed.has(key) ? '' : 'not '}listed`)
      }
    }
  }

  /** Uses a key of its own: it is overwritten or deleted as soon as its reader has begun. */
  async #slowly(key: string): Promise<void> {
    const { credentials, tally } = this.#options
    await this.#put(key, this.#size(3 << 20, 9 << 20))
    const known = this.#known.get(key)
    if (known === undefined) return
    const endpoint = this.#client().endpoint
    let onBegun = (): void => {}
    const begun = new Promise<void>((resolve) => (onBegun = resolve))
    const read = { endpoint, credentials, bucket: SOAK_BUCKET, key, onBegun }
    const reading = readSlowly({ ...read, bytesPerSecond: SLOW_BYTES_PER_SECOND }).then(
      ({ status, body }) => {
        tally.answered('slow GET', String(status))
        this.#compare(key, known, body)
      },
      (error: unknown) => tally.answered('slow GET', `5xx ${String(error)}`),
    )
    await Promise.race([begun, reading])
    if (this.#draw() < 0.5) await this.#put(key, 1 << 20)
    else await this.#delete(key)
    await reading
  }

  #compare(key: string, { seed, sizeBytes }: Known, body: Buffer): void {
    if (Buffer.compare(body, seededBytes(seed, sizeBytes)) !== 0) {
      this.wrong.push(`${key}: ${body.length} bytes that are not those of ${seed}`)
    }
  }

  /** Undefined when it failed, which was counted. `want` picks the result from a good answer. */
  async #send(
    what: string,
    request: Omit<BenchRequest, 'bucket'>,
    want: 'body' | 'etag' | '404' = 'body',
  ): Promise<Buffer | undefined> {
    const { tally } = this.#options
    try {
      const reply = await this.#client().send({ ...request, bucket: SOAK_BUCKET })
      const good = want === '404' ? reply.status === 404 : reply.status < 300
      const code = reply.status < 300 ? '' : ` ${s3ErrorCode(reply)}`
      tally.answered(what, `${reply.status}${code}`)
      if (!good && reply.status < 500) {
        this.wrong.push(`${what} ${request.key ?? ''}: ${reply.status}${code}`)
      }
      if (!good) return undefined
      return want === 'etag' ? Buffer.from(reply.headers.etag ?? '') : reply.body
    } catch (error) {
      tally.answered(what, `5xx ${String(error)}`)
      return undefined
    }
  }

  #client(): RawClient {
    const { clients, number } = this.#options
    return clients[(number + this.#turn++) % clients.length] as RawClient
  }

  #small(): string {
    // A few of them are written all the time.
    const most = this.#draw() < 0.7 ? SMALL_KEYS / 10 : SMALL_KEYS
    return `${this.#options.number}/small-${Math.floor(this.#draw() * most)}`
  }

  #large(): string {
    return `${this.#options.number}/large-${Math.floor(this.#draw() * LARGE_KEYS)}`
  }

  #size(least: number, most: number): number {
    return least + Math.floor(this.#draw() ** 3 * (most - least))
  }

  #draw(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return this.#state / 2 ** 32
  }
}
