/**
 * What a gateway thread and the core tell each other. A message is a tuple: its kind, the id of its call or stream, and what
 * the kind needs. All ids are drawn by the thread. Messages are copied by structured clone.
 *
 *   one call        thread: CALL [ABORT]                          core: RESULT or FAILURE
 *   a part          core, inside a call: ADMIT
 *   a completion    core, inside a call: FINISH                   thread: ANSWER
 *   a body, up      core: GO, TAKEN …, [STOP]                     thread: PIECE …, END or BROKEN
 *   a body, down    thread: READ, TAKEN …, [STOP], [ABORT]        core: PIECE …, END or BROKEN
 *   a reader        thread: FORGET, when nobody can read from it any more
 */

import type { Backend } from '../port/backend.ts'
import type { RequestOrigin } from '../../protocol/context.ts'
import type { FinishedBody } from '../port/body.ts'
import type { IamBackend } from '../port/iam-backend.ts'
import type { RightsSource } from '../port/rights.ts'
import type { PartInfo, UploadInfo } from '../port/uploads.ts'
import type { IamRun } from './iam-run.ts'
import type { WireError } from './wire-errors.ts'

export const CALL = 0
export const ABORT = 1
export const RESULT = 2
export const FAILURE = 3
export const ADMIT = 4
export const FINISH = 5
export const ANSWER = 6
export const READ = 7
export const GO = 8
export const PIECE = 9
export const TAKEN = 10
export const END = 11
export const BROKEN = 12
export const STOP = 13
export const FORGET = 14

/** The methods of the ports. A call names one by its place here. */
export const METHODS = [
  'credential',
  'sessionCredential',
  'principalIds',
  'markNamed',
  'principalArns',
  'bucketAccess',
  'createBucket',
  'headBucket',
  'deleteBucket',
  'getBucketSettings',
  'changeBucket',
  'listBuckets',
  'putObject',
  'getObject',
  'deleteObject',
  'changeObject',
  'renameObject',
  'listObjects',
  'listVersions',
  'createUpload',
  'getUpload',
  'putPart',
  'listParts',
  'listUploads',
  'completeUpload',
  'abortUpload',
  'wrapDataKey',
  'unwrapDataKey',
  'timedCredential',
  'timedAccess',
  'runIam',
  'entityOf',
  'checkWebhooks',
] as const

export type PortMethod = (typeof METHODS)[number]

/** Methods that cause events, or send one. With their calls goes from where the request came. */
export const TELLING: ReadonlySet<PortMethod> = new Set([
  'putObject',
  'deleteObject',
  'changeObject',
  'completeUpload',
  'checkWebhooks',
])

/** All that a thread may ask: the port of storage, and beside it that of identities and what may be kept of rights. */
export interface CorePort
  extends Backend, Omit<RightsSource, 'onForget'>, Pick<IamBackend, 'entityOf'> {
  runIam: IamRun
}

/** `finished` is undefined when `finish` threw in the thread, which keeps the error. */
export interface SmallBodyInMessage {
  readonly bytes: Uint8Array
  readonly finished: FinishedBody | undefined
}

/** The bytes follow as a stream with the id of the call. */
export interface StreamedBodyInMessage {
  readonly sizeBytes: number | undefined
}

export type BodyInMessage = SmallBodyInMessage | StreamedBodyInMessage

/** A block and how many of its bytes count, or the bytes themselves. */
export type PieceBytes = readonly [block: number, length: number] | Uint8Array

/** `rounds`: how many rounds the call has made since it last said so. */
export type Message =
  | readonly [
      kind: typeof CALL,
      id: number,
      method: number,
      operation: string | undefined,
      args: readonly unknown[],
      body: BodyInMessage | undefined,
      origin: RequestOrigin | undefined,
    ]
  | readonly [kind: typeof ABORT, id: number, name: string, message: string]
  | readonly [kind: typeof RESULT, id: number, rounds: number, value: unknown]
  | readonly [kind: typeof FAILURE, id: number, rounds: number, error: WireError]
  | readonly [kind: typeof ADMIT, id: number, upload: UploadInfo]
  | readonly [kind: typeof FINISH, id: number, parts: readonly PartInfo[], upload: UploadInfo]
  | readonly [kind: typeof ANSWER, id: number, finished: FinishedBody | undefined]
  | readonly [kind: typeof READ, id: number, reader: number, start: number, end: number]
  | readonly [kind: typeof GO, id: number]
  | readonly [kind: typeof PIECE, id: number, rounds: number, bytes: PieceBytes]
  | readonly [kind: typeof TAKEN, id: number]
  | readonly [kind: typeof END, id: number, rounds: number, finished: FinishedBody | undefined]
  | readonly [kind: typeof BROKEN, id: number, rounds: number, error: WireError]
  | readonly [kind: typeof STOP, id: number]
  | readonly [kind: typeof FORGET, reader: number]

/** Bytes with memory of their own. Structured clone copies the whole memory behind a view, however small the view is. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength && !Buffer.isBuffer(bytes)
    ? bytes
    : Uint8Array.prototype.slice.call(bytes)
}

/** Structured clone gives every object a prototype. Names that clients choose must not meet its members. */
export function withOwnNames<T extends { readonly user: Readonly<Record<string, string>> }>(
  cloned: T,
): T {
  const user = Object.assign(Object.create(null) as Record<string, string>, cloned.user)
  return Object.assign(cloned, { user })
}
