/**
 * Who signed, and what the bucket allows, as a gateway thread keeps it (kept-answers.ts). Without this each request would
 * fetch both from the core, and copy all policies of the caller and of the bucket.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { DOCUMENT_NAMES } from '../port/bucket-documents.ts'
import type { BucketAccess } from '../port/buckets.ts'
import type { Credential, PolicyText } from '../port/identity.ts'
import { RIGHTS_AGE_MS, type RightsSource, type Timed } from '../port/rights.ts'
import { KeptAnswers } from './kept-answers.ts'

const ENTRIES_MAX = 4_096
const BYTES_MAX = 8 * 1024 * 1024

/**
 * Operations that only use the bucket. A decision about one that changes or deletes the bucket itself is made from the core's
 * copy: the core compares that copy with the record, and refuses when the name belongs to another incarnation since.
 */
const USES_BUCKET: ReadonlySet<string> = new Set([
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjects',
  'GetObject',
  'GetObjectAttributes',
  'HeadBucket',
  'HeadObject',
  'ListMultipartUploads',
  'ListObjectVersions',
  'ListObjects',
  'ListObjectsV2',
  'ListParts',
  'PutObject',
  'RenameObject',
  'UploadPart',
  'UploadPartCopy',
])

export interface KeptRightsOptions {
  /** The core. */
  readonly source: Omit<RightsSource, 'onForget'>
  readonly monotonicMs: () => number
  /** Changes whenever the core forgets. */
  readonly version: () => number
}

export class KeptRights {
  readonly #source: KeptRightsOptions['source']
  readonly #credentials: KeptAnswers<Credential | undefined>
  readonly #buckets: KeptAnswers<BucketAccess>

  constructor({ source, monotonicMs, version }: KeptRightsOptions) {
    const bounds = { monotonicMs, version, entriesMax: ENTRIES_MAX, bytesMax: BYTES_MAX }
    this.#source = source
    this.#credentials = new KeptAnswers({ ...bounds, charactersOf: charactersOfCredential })
    this.#buckets = new KeptAnswers({ ...bounds, charactersOf: charactersOfAccess })
  }

  credential(accessKeyId: string, token?: string): Promise<Credential | undefined> {
    // The length keeps ids and tokens apart that are the same text when put together.
    const key = `${token === undefined ? 'key' : accessKeyId.length} ${accessKeyId}${token ?? ''}`
    const ask = (ageMs: number): ReturnType<RightsSource['timedCredential']> =>
      this.#source.timedCredential(accessKeyId, token, ageMs)
    const kept = this.#credentials.peek(key, ask)
    return kept === undefined ? this.#credentials.get(key, ask) : Promise.resolve(kept.value)
  }

  bucketAccess(context: RequestContext, bucket: string): Promise<BucketAccess> {
    if (!USES_BUCKET.has(context.operation)) {
      return this.#source.timedAccess(context, bucket, RIGHTS_AGE_MS).then(({ value }) => value)
    }
    const ask = async (ageMs: number): Promise<Timed<BucketAccess>> => {
      // Others may wait for this answer: the end of the request that began the call must not end it.
      const { signal } = new AbortController()
      const shared = { operation: context.operation, signal, rounds: 0 }
      try {
        return await this.#source.timedAccess(shared, bucket, ageMs)
      } finally {
        // No request waits for an answer that is asked for ahead of time.
        if (ageMs === RIGHTS_AGE_MS) context.rounds += shared.rounds
      }
    }
    const kept = this.#buckets.peek(bucket, ask)
    if (kept !== undefined) return Promise.resolve(kept.value)
    return whileWanted(context.signal, () => this.#buckets.get(bucket, ask))
  }
}

/** Rejects with the signal's reason as soon as it is aborted. */
function whileWanted<T>(signal: AbortSignal, wait: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort)
    const over = (): void => signal.removeEventListener('abort', abort)
    wait().then(resolve, reject).finally(over)
  })
}

function charactersOfCredential(credential: Credential | undefined): number {
  if (credential === undefined) return 0
  const { policies, sessionPolicies = [], boundary } = credential.identity
  const limits = boundary === undefined ? sessionPolicies : [...sessionPolicies, boundary]
  return charactersOfPolicies(policies) + charactersOfPolicies(limits)
}

function charactersOfPolicies(policies: readonly PolicyText[]): number {
  return policies.reduce((sum, { name, text }) => sum + name.length + text.length, 0)
}

function charactersOfAccess({ settings }: BucketAccess): number {
  const { policy = '', principals = [] } = settings
  let sum = policy.length
  for (const { arn, id } of principals) sum += arn.length + id.length
  for (const name of DOCUMENT_NAMES) {
    const document = settings[name]
    if (document !== undefined) sum += JSON.stringify(document).length
  }
  return sum
}
