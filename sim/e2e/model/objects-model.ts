/**
 * What AWS's documentation says that a bucket holds after each operation. It shares nothing with Shoal's own code: a
 * key is a list of versions, newest first, and an operation edits that list.
 */

import { createHash } from 'node:crypto'

export type ModelVersioning = 'never' | 'Enabled' | 'Suspended'

/** What a client gives with an object, and gets back. */
export interface Described {
  readonly contentType: string
  readonly cacheControl?: string | undefined
  readonly meta: Readonly<Record<string, string>>
  readonly storageClass: string
}

export interface ModelVersion extends Described {
  /** 'null', or the id that the store gave. */
  readonly id: string
  readonly isMarker: boolean
  readonly body: Buffer
  /** Without quotes. */
  readonly etag: string
}

export interface ModelUpload extends Described {
  readonly key: string
  readonly parts: Map<number, Buffer>
}

/** Where nothing was said, as AWS: the type is binary/octet-stream. */
export const UNDESCRIBED: Described = {
  contentType: 'binary/octet-stream',
  meta: {},
  storageClass: 'STANDARD',
}

export class ModelBucket {
  readonly name: string
  readonly versioning: ModelVersioning
  readonly #keys = new Map<string, ModelVersion[]>()
  readonly uploads = new Map<string, ModelUpload>()

  constructor(name: string, versioning: ModelVersioning) {
    this.name = name
    this.versioning = versioning
  }

  /** Newest first, delete markers too. */
  versions(key: string): readonly ModelVersion[] {
    return this.#keys.get(key) ?? []
  }

  /** The current version, unless it is a delete marker. */
  current(key: string): ModelVersion | undefined {
    const [newest] = this.versions(key)
    return newest?.isMarker === false ? newest : undefined
  }

  version(key: string, id: string): ModelVersion | undefined {
    return this.versions(key).find((each) => each.id === id)
  }

  /** All keys that have a version, in the order of their bytes. */
  keys(): string[] {
    const names = [...this.#keys.keys()].filter((key) => this.versions(key).length > 0)
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  /** A write: the new version is the current one. Without versioning it replaces all, suspended it replaces null. */
  put(key: string, version: ModelVersion): void {
    const before = this.versions(key)
    const kept = { never: [], Enabled: before, Suspended: before.filter(({ id }) => id !== 'null') }
    this.#keys.set(key, [version, ...kept[this.versioning]])
  }

  /** A delete that names no version. `markerId` is that of the delete marker which the store made. */
  remove(key: string, markerId: string): void {
    if (this.versioning === 'never') {
      this.#keys.delete(key)
      return
    }
    this.put(key, { ...UNDESCRIBED, id: markerId, isMarker: true, body: Buffer.alloc(0), etag: '' })
  }

  removeVersion(key: string, wanted: string): void {
    this.#keys.set(
      key,
      this.versions(key).filter(({ id }) => id !== wanted),
    )
  }
}

export function md5(...pieces: readonly Uint8Array[]): string {
  const hash = createHash('md5')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** The ETag of a multipart object: the MD5 of the MD5s of its parts, and how many there are. */
export function multipartEtag(parts: readonly Uint8Array[]): string {
  return `${md5(...parts.map((part) => Buffer.from(md5(part), 'hex')))}-${parts.length}`
}
