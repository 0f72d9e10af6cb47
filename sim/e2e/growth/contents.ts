/**
 * What the cluster holds before it grows, and must still hold afterwards: many small objects, some large ones, a bucket
 * with versions, and uploads that are not finished yet.
 */

import { createHash } from 'node:crypto'
import { eachLimited, s3ErrorCode, type RawClient } from '../../../bench/harness/s3.ts'
import { seededBytes } from '../files.ts'

export const STILL = 'still'
const VERSIONED = 'versioned'
const LARGE_BYTES = 20 << 20
const PART_BYTES = 5 << 20
const VERSIONS = 4
const AT_ONCE = 16

export interface Extent {
  readonly objects: number
  /** Objects of 20 MiB. */
  readonly large: number
  readonly versioned: number
  readonly uploads: number
}

interface Upload {
  readonly key: string
  readonly id: string
  readonly etags: string[]
}

export class GrowthContents {
  readonly #extent: Extent
  readonly #uploads: Upload[] = []
  readonly #versions = new Map<string, { id: string; seed: number }[]>()
  bytes = 0

  constructor(extent: Extent) {
    this.#extent = extent
  }

  async write(client: RawClient): Promise<void> {
    const { objects, large, versioned, uploads } = this.#extent
    await client.must({ method: 'PUT', bucket: STILL })
    await client.must({ method: 'PUT', bucket: VERSIONED })
    const enable =
      '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      '<Status>Enabled</Status></VersioningConfiguration>'
    await client.must({
      method: 'PUT',
      bucket: VERSIONED,
      query: { versioning: '' },
      body: Buffer.from(enable),
    })
    await eachLimited(objects, AT_ONCE, async (i) => {
      const body = smallBody(i)
      this.bytes += body.length
      await client.must({
        method: 'PUT',
        bucket: STILL,
        key: smallKey(i),
        body,
      })
    })
    await eachLimited(large, 2, async (i) => {
      this.bytes += LARGE_BYTES
      const body = seededBytes(largeSeed(i), LARGE_BYTES)
      await client.must({
        method: 'PUT',
        bucket: STILL,
        key: largeKey(i),
        body,
      })
    })
    await eachLimited(versioned, AT_ONCE, async (i) => {
      const key = `key-${i}`
      const known: { id: string; seed: number }[] = []
      for (let version = 0; version < VERSIONS; version++) {
        const seed = 1_000_000 + i * VERSIONS + version
        const body = seededBytes(seed, 500 + version)
        this.bytes += body.length
        const { headers } = await client.must({
          method: 'PUT',
          bucket: VERSIONED,
          key,
          body,
        })
        known.push({ id: String(headers['x-amz-version-id']), seed })
      }
      this.#versions.set(key, known)
    })
    for (let i = 0; i < uploads; i++) {
      const key = `upload-${i}`
      const { body } = await client.must({
        method: 'POST',
        bucket: STILL,
        key,
        query: { uploads: '' },
      })
      const id = /<UploadId>([^<]+)</.exec(body.toString())?.[1] ?? ''
      const upload: Upload = { key, id, etags: [] }
      this.#uploads.push(upload)
      await this.#part(client, upload)
    }
  }

  /** Uploads one more part of each upload, each through the next node. */
  async goOn(client: RawClient): Promise<void> {
    for (const upload of this.#uploads) {
      for (let attempt = 0; ; attempt++) {
        try {
          await this.#part(client, upload)
          break
        } catch (error) {
          if (attempt === 120) throw error
          await new Promise((resolve) => void setTimeout(resolve, 500))
        }
      }
    }
  }

  /** Ends the uploads, then reads everything. The result says what is wrong. */
  async check(clients: readonly RawClient[]): Promise<string[]> {
    const faults: string[] = []
    const client = (i: number): RawClient => clients[i % clients.length]!
    for (const [i, upload] of this.#uploads.entries()) {
      const parts = upload.etags.map(
        (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
      )
      const body = Buffer.from(
        `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
      )
      const target = {
        bucket: STILL,
        key: upload.key,
        query: { uploadId: upload.id },
      }
      await client(i).must({ method: 'POST', ...target, body })
      const whole = Buffer.concat(upload.etags.map((_, at) => partBody(upload.key, at)))
      await this.#same(client(i + 1), { bucket: STILL, key: upload.key }, whole, faults)
    }
    const { objects, large } = this.#extent
    await eachLimited(objects, AT_ONCE, (i) =>
      this.#same(client(i), { bucket: STILL, key: smallKey(i) }, smallBody(i), faults),
    )
    await eachLimited(large, 2, (i) => {
      const body = seededBytes(largeSeed(i), LARGE_BYTES)
      return this.#same(client(i), { bucket: STILL, key: largeKey(i) }, body, faults)
    })
    let n = 0
    for (const [key, versions] of this.#versions) {
      for (const [at, { id, seed }] of versions.entries()) {
        const target = { bucket: VERSIONED, key, query: { versionId: id } }
        await this.#same(client(n++), target, seededBytes(seed, 500 + at), faults)
      }
    }
    await this.#list(client(0), faults)
    return faults
  }

  async #list(client: RawClient, faults: string[]): Promise<void> {
    const expected = new Set<string>()
    for (let i = 0; i < this.#extent.objects; i++) expected.add(smallKey(i))
    for (let i = 0; i < this.#extent.large; i++) expected.add(largeKey(i))
    for (const { key } of this.#uploads) expected.add(key)
    let token: string | undefined
    do {
      const query: Record<string, string> = { 'list-type': '2' }
      if (token !== undefined) query['continuation-token'] = token
      const text = (await client.must({ method: 'GET', bucket: STILL, query })).body.toString()
      for (const [, key = ''] of text.matchAll(/<Key>([^<]*)</g)) {
        if (!expected.delete(key)) faults.push(`listed, and never written: ${key}`)
      }
      token = /<NextContinuationToken>([^<]+)</.exec(text)?.[1]
    } while (token !== undefined)
    for (const key of expected) faults.push(`not listed: ${key}`)
  }

  async #part(client: RawClient, upload: Upload): Promise<void> {
    const at = upload.etags.length
    const query = { partNumber: String(at + 1), uploadId: upload.id }
    const body = partBody(upload.key, at)
    const target = { bucket: STILL, key: upload.key, query }
    const { headers } = await client.must({ method: 'PUT', ...target, body })
    upload.etags.push(String(headers.etag))
  }

  async #same(
    client: RawClient,
    target: { bucket: string; key: string; query?: Record<string, string> },
    expected: Buffer,
    faults: string[],
  ): Promise<void> {
    const name = `${target.bucket}/${target.key}`
    for (let attempt = 0; ; attempt++) {
      const reply = await client.send({ method: 'GET', ...target }).catch(() => undefined)
      if (reply?.status === 200) {
        if (!reply.body.equals(expected)) faults.push(`${name}: ${differs(reply.body, expected)}`)
        return
      }
      if (attempt === 20) {
        faults.push(`${name}: ${reply === undefined ? 'no answer' : s3ErrorCode(reply)}`)
        return
      }
      await new Promise((resolve) => void setTimeout(resolve, 500))
    }
  }
}

function differs(found: Buffer, expected: Buffer): string {
  const sum = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex').slice(0, 8)
  return `${found.length} bytes (${sum(found)}) instead of ${expected.length} (${sum(expected)})`
}

function smallKey(i: number): string {
  return `small/${i % 97}/${i}`
}

/** Empty ones, packed ones, and some with a block of their own. */
function smallBody(i: number): Buffer {
  const size = i % 50 === 0 ? 0 : i % 40 === 1 ? 70_000 + i : (i * 2_654_435_761) % 3_000
  return seededBytes(i + 1, size)
}

function largeKey(i: number): string {
  return `large-${i}`
}

function largeSeed(i: number): number {
  return 5_000_000 + i
}

function partBody(key: string, at: number): Buffer {
  return seededBytes(7_000_000 + Number(key.slice('upload-'.length)) * 100 + at, PART_BYTES)
}
