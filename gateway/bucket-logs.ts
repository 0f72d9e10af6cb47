/**
 * The access logs of buckets that keep one (s3/logging.ts): lines are gathered in memory and stored as objects of the
 * target bucket, by the gateway that has answered.
 *
 *   a request is over → its line joins the batch of its bucket
 *   1 MiB, or the interval → the batch is stored by PutObject, as the root of the account that owns both buckets
 *
 * Best effort, as in AWS: lines in memory are lost when the process dies, when the target takes no object for several
 * intervals, and above 8 MiB in memory. What is lost while the process lives is counted in the log.
 *
 * Invariants:
 *   - no line is stored in a bucket of another account, nor against a Deny of the target's policy
 *   - what is stored here makes no line, also where a bucket keeps its own log
 */

import { Readable } from 'node:stream'
import { StoreError } from '../protocol/errors.ts'
import { UNSIGNED, type AuthResult } from './auth/auth.ts'
import { GateCall, type GateCallOptions } from './gate-call.ts'
import { upperCase } from './http/ascii.ts'
import type { GatewayClock } from './http/clock.ts'
import { fromStoreError, S3Error } from './http/errors.ts'
import { Exchange } from './http/exchange.ts'
import type { S3Request } from './http/request.ts'
import type { LoggingSetting } from './port/bucket-documents.ts'
import type { BucketAccess } from './port/buckets.ts'
import type { Credential, Identity } from './port/identity.ts'
import type { GatewayLogger } from './port/logger.ts'
import { OPERATIONS } from './routes/operations.ts'
import { hasDefaultLock } from './s3/logging.ts'
import { serverLogLine } from './server-log-line.ts'

export interface BucketLogsOptions {
  readonly gate: GateCallOptions & { readonly hostId: string }
  readonly clock: GatewayClock
  readonly logger: GatewayLogger
  /** How long a line waits at most before it is stored. */
  readonly intervalMs: number
}

const OBJECT_BYTES = 1024 * 1024
/** Of all batches, also those that are being stored. */
const HELD_BYTES_MAX = 8 * 1024 * 1024
const DELIVERY_MS = 30_000
/** How often a batch is tried, once in each interval. */
const ATTEMPTS = 3
const PUT_OBJECT = OPERATIONS.find(({ name }) => name === 'PutObject')!

/** Lines of one bucket that go into one object. */
interface Batch {
  readonly access: BucketAccess
  readonly logging: LoggingSetting
  /** The day of the requests, 2026-12-03, where objects are partitioned by it. */
  readonly day: string | undefined
  readonly lines: string[]
  sizeBytes: number
  attempts: number
}

/** One for each gateway. */
export class BucketLogs {
  readonly #options: BucketLogsOptions
  #batches = new Map<string, Batch>()
  readonly #storing = new Set<Promise<void>>()
  #heldBytes = 0
  #lost = 0
  #isClosed = false
  #cancelTimer: (() => void) | undefined

  constructor(options: BucketLogsOptions) {
    this.#options = options
  }

  /** Lines in memory, in bytes. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Call once when a request is over. Costs nothing unless its bucket keeps a log. */
  finished(exchange: Exchange, status: number): void {
    const { logged: access, parsed: request } = exchange
    const logging = access?.settings.logging
    if (access === undefined || logging === undefined || request === undefined) return
    const { clock, gate } = this.#options
    const totalMs = clock.monotonicMs() - exchange.startedMs
    const startedMs = clock.nowMs() - totalMs
    const { ownerAccount, name: bucket } = access.info
    const { hostId, region } = gate
    const about = { exchange, request, status, startedMs, totalMs, hostId, region }
    const line = `${serverLogLine({ ...about, ownerAccount, bucket })}\n`
    this.#add(access, logging, line, new Date(startedMs).toISOString().slice(0, 10))
  }

  #add(access: BucketAccess, logging: LoggingSetting, line: string, today: string): void {
    const sizeBytes = Buffer.byteLength(line)
    if (this.#heldBytes + sizeBytes > HELD_BYTES_MAX) {
      this.#lost++
      return
    }
    const day = logging.keyFormat === 'EventTime' ? today : undefined
    const { targetBucket, targetPrefix, keyFormat } = logging
    const { name, ownerAccount } = access.info
    const id = JSON.stringify([name, ownerAccount, targetBucket, targetPrefix, keyFormat, day])
    let batch = this.#batches.get(id)
    if (batch === undefined) {
      batch = { access, logging, day, lines: [], sizeBytes: 0, attempts: 0 }
      this.#batches.set(id, batch)
    }
    batch.lines.push(line)
    batch.sizeBytes += sizeBytes
    this.#heldBytes += sizeBytes
    if (batch.sizeBytes >= OBJECT_BYTES) {
      this.#batches.delete(id)
      this.#store(batch)
    }
    this.#armTimer()
  }

  /** Stores what is left, for at most `drainMs`. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true
    this.#cancelTimer?.()
    this.#storeAll()
    if (this.#storing.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(drainMs, resolve)
    await Promise.race([promise, Promise.all(this.#storing)])
    cancel()
  }

  #armTimer(): void {
    if (this.#cancelTimer !== undefined || this.#isClosed) return
    const { clock, intervalMs } = this.#options
    this.#cancelTimer = clock.after(intervalMs, () => {
      this.#cancelTimer = undefined
      this.#storeAll()
      this.#tellLost()
    })
  }

  #storeAll(): void {
    const batches = [...this.#batches.values()]
    this.#batches = new Map()
    for (const batch of batches) this.#store(batch)
  }

  #tellLost(): void {
    if (this.#lost === 0) return
    const lines = this.#lost
    this.#lost = 0
    this.#options.logger.warn(
      { lines },
      'lines of access logs of buckets were lost: too many to hold',
    )
  }

  #store(batch: Batch): void {
    const storing = this.#deliver(batch).then(() => void this.#storing.delete(storing))
    this.#storing.add(storing)
  }

  /** Never rejects. */
  async #deliver(batch: Batch): Promise<void> {
    batch.attempts++
    try {
      await this.#put(batch)
      this.#heldBytes -= batch.sizeBytes
    } catch (error) {
      const failed = error instanceof StoreError ? fromStoreError(error) : error
      const mayWork = !(failed instanceof S3Error) || failed.status >= 500
      if (mayWork && batch.attempts < ATTEMPTS && !this.#isClosed) {
        this.#batches.set(`again ${batch.lines[0]}`, batch)
        this.#armTimer()
        return
      }
      this.#heldBytes -= batch.sizeBytes
      const { targetBucket } = batch.logging
      const bucket = batch.access.info.name
      const lines = batch.lines.length
      const reason = failed instanceof Error ? failed.message : String(failed)
      this.#options.logger.warn(
        { bucket, targetBucket, lines, reason },
        'lines of the access log of a bucket were lost: its target does not take them',
      )
    }
  }

  /** Throws what PutObject throws; InvalidTargetBucketForLogging when the target has become another one. */
  async #put(batch: Batch): Promise<void> {
    const { gate, clock } = this.#options
    const { targetBucket } = batch.logging
    const { ownerAccount } = batch.access.info
    const nowMs = clock.nowMs()
    const unique = upperCase(Buffer.from(gate.randomBytes(8)).toString('hex'))
    const key = keyOf(batch, nowMs, unique, gate.region)
    const exchange = new Exchange(unique, clock.monotonicMs())
    const cancel = clock.after(DELIVERY_MS, () => exchange.abort('deadline'))
    try {
      const identity = rootOf(ownerAccount)
      const request = requestOf(targetBucket, key, Buffer.from(batch.lines.join('')))
      const auth = authOf(identity)
      const call = new GateCall(PUT_OBJECT, request, auth, identity, exchange, gate, nowMs)
      const target = await call.access(targetBucket)
      if (target.info.ownerAccount !== ownerAccount || hasDefaultLock(target)) {
        throw new S3Error('InvalidTargetBucketForLogging')
      }
      await call.authorizeTarget()
      await PUT_OBJECT.run?.(call)
    } finally {
      cancel()
    }
  }
}

/**
 * TargetPrefixYYYY-mm-DD-HH-MM-SS-UniqueString, or partitioned by account, region, bucket and day. With the days of the requests,
 * the time of the name is 00-00-00, as in AWS.
 */
function keyOf(
  { logging, access, day }: Batch,
  nowMs: number,
  unique: string,
  region: string,
): string {
  const { targetPrefix, keyFormat } = logging
  const now = new Date(nowMs).toISOString()
  const date = day ?? now.slice(0, 10)
  const time = day === undefined ? now.slice(11, 19).replaceAll(':', '-') : '00-00-00'
  const name = `${date}-${time}-${unique}`
  if (keyFormat === undefined || keyFormat === 'SimplePrefix') return targetPrefix + name
  const { ownerAccount, name: bucket } = access.info
  return `${targetPrefix}${ownerAccount}/${region}/${bucket}/${date.replaceAll('-', '/')}/${name}`
}

/** A PutObject that nobody has sent. */
function requestOf(bucket: string, key: string, body: Uint8Array): S3Request {
  const headers = { 'content-type': 'text/plain', 'content-length': String(body.length) }
  return {
    method: 'PUT',
    rawPath: `/${bucket}/${encodeURIComponent(key)}`,
    rawQuery: '',
    bucket,
    key,
    query: new Map(),
    repeatedQuery: [],
    headers,
    amzNames: [],
    sentHeaders: headers,
    virtualHost: false,
    hoisted: new Set(),
    body: Readable.from([body], { objectMode: false }),
    contentLength: body.length,
    transferChunked: false,
    remoteAddress: '127.0.0.1',
    secure: true,
  }
}

function rootOf(accountId: string): Identity {
  return {
    accountId,
    principalArn: `arn:aws:iam::${accountId}:root`,
    principalId: accountId,
    userName: 'root',
    type: 'Account',
    isRoot: true,
    policies: [],
  }
}

/** Nobody has signed it. */
function authOf(identity: Identity): AuthResult {
  const credential: Credential = { accessKeyId: '', secretAccessKey: '', identity }
  return { credential, method: 'header', version: 4, payload: UNSIGNED, signing: undefined }
}
