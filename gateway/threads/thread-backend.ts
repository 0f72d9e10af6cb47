/**
 * The ports of storage and of identities inside a gateway thread. Calls go to the core, which has the real backends
 * (core-link.ts), except for rights that are known (kept-rights.ts).
 *
 * What the port promises holds here too: errors of the store arrive with class, code and details; what a body, `admit` or
 * `finish` throws reaches the caller as it was thrown; an aborted request is aborted in the core; rounds are added to the
 * request's context. A body of at most 64 KiB travels in the message of its call, others in shared blocks (blocks.ts).
 */

import type { MessagePort } from 'node:worker_threads'
import { assert } from '../../protocol/assert.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { Backend } from '../port/backend.ts'
import type { FinishedBody, ObjectBody, SmallBody } from '../port/body.ts'
import type { IamBackend } from '../port/iam-backend.ts'
import { ListedObjects } from '../port/listed-objects.ts'
import type { ObjectInfo, ObjectReader } from '../port/objects.ts'
import type { ListUploadsPage, UploadInfo } from '../port/uploads.ts'
import { blockHolder, SharedBlocks, type BlockHolder } from './blocks.ts'
import { plainCall } from './iam-run.ts'
import { KeptRights } from './kept-rights.ts'
import { Mailbox } from './mailbox.ts'
import * as wire from './messages.ts'
import type { BodyInMessage, CorePort, Message, PortMethod, PieceBytes } from './messages.ts'
import { ObjectDownload } from './object-download.ts'
import { StreamSender } from './stream-sender.ts'
import { ThreadCall } from './thread-call.ts'
import { readWhole, streamOf } from './whole-bodies.ts'
import { THROWN_BY_THREAD } from './wire-errors.ts'

export interface ThreadBackendOptions {
  readonly port: MessagePort
  /** The blocks that all threads share (`createBlockMemory`). */
  readonly memory: SharedArrayBuffer
  /** This thread's number, from 1. */
  readonly link: number
  /** Runs `run` once, after what is ready in this turn of the event loop (mailbox.ts). */
  readonly afterTurn: (run: () => void) => void
  /** For how long rights are kept. Without it nothing is kept. */
  readonly monotonicMs?: (() => number) | undefined
}

type Args<M extends PortMethod> = Parameters<CorePort[M]>
type Result<M extends PortMethod> = Awaited<ReturnType<CorePort[M]>>

const GONE = 'the core does not answer this gateway thread any more'

export class ThreadBackend implements Backend {
  readonly #mailbox: Mailbox
  readonly #blocks: SharedBlocks
  readonly #thread: BlockHolder
  readonly #core: BlockHolder
  readonly #calls = new Map<number, ThreadCall>()
  readonly #downloads = new Map<number, ObjectDownload>()
  /** Tells the core which readers can never be read from again. */
  readonly #forgotten = new FinalizationRegistry<number>((id) => {
    this.#mailbox.post([wire.FORGET, id])
  })
  readonly #kept: KeptRights | undefined
  #ids = 0
  #isClosed = false

  constructor({ port, memory, link, afterTurn, monotonicMs }: ThreadBackendOptions) {
    this.#blocks = new SharedBlocks(memory)
    this.#thread = blockHolder(link, 'thread')
    this.#core = blockHolder(link, 'core')
    this.#mailbox = new Mailbox({
      port,
      afterTurn,
      received: (message) => this.#received(message),
      unsendable: (message, error) => this.#unsendable(message, error),
      ended: () => this.close(),
    })
    if (monotonicMs !== undefined) {
      const source = {
        timedCredential: (...args: Args<'timedCredential'>) =>
          this.#call('timedCredential', undefined, args),
        timedAccess: (...args: Args<'timedAccess'>) => this.#pass('timedAccess', args),
      }
      const version = (): number => this.#blocks.rightsVersion
      this.#kept = new KeptRights({ source, monotonicMs, version })
    }
  }

  /** The actions of IAM and STS, for the gateway of this thread. */
  readonly iam: IamBackend = {
    run: (call) => this.#call('runIam', call.context, [plainCall(call)]),
    entityOf: (...args) => this.#pass('entityOf', args),
  }

  /** Calls and downloads that are not over. */
  get inFlight(): number {
    return this.#calls.size + this.#downloads.size
  }

  /** Ends the channel. What is in flight fails with Unavailable: its outcome is not known. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#mailbox.close()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.failWith(new StoreError('Unavailable', GONE))
    for (const download of this.#downloads.values()) {
      download.receiver.cut(new StoreError('Unavailable', GONE))
    }
  }

  credential: Backend['credential'] = (id) =>
    this.#kept?.credential(id) ?? this.#call('credential', undefined, [id])
  sessionCredential: Backend['sessionCredential'] = (...args) =>
    this.#kept?.credential(...args) ?? this.#call('sessionCredential', undefined, args)
  principalIds: Backend['principalIds'] = (...args) => this.#pass('principalIds', args)
  markNamed: Backend['markNamed'] = (...args) => this.#pass('markNamed', args)
  principalArns: Backend['principalArns'] = (...args) => this.#pass('principalArns', args)
  bucketAccess: Backend['bucketAccess'] = (...args) =>
    this.#kept?.bucketAccess(...args) ?? this.#pass('bucketAccess', args)
  createBucket: Backend['createBucket'] = (...args) => this.#pass('createBucket', args)
  headBucket: Backend['headBucket'] = (...args) => this.#pass('headBucket', args)
  deleteBucket: Backend['deleteBucket'] = (...args) => this.#pass('deleteBucket', args)
  getBucketSettings: Backend['getBucketSettings'] = (...args) =>
    this.#pass('getBucketSettings', args)
  changeBucket: Backend['changeBucket'] = (...args) => this.#pass('changeBucket', args)
  checkWebhooks: Backend['checkWebhooks'] = (...args) => this.#pass('checkWebhooks', args)
  listBuckets: Backend['listBuckets'] = (...args) => this.#pass('listBuckets', args)
  deleteObject: Backend['deleteObject'] = (...args) => this.#pass('deleteObject', args)
  changeObject: Backend['changeObject'] = (...args) => this.#pass('changeObject', args)
  renameObject: Backend['renameObject'] = (...args) => this.#pass('renameObject', args)
  listObjects: Backend['listObjects'] = async (...args) => {
    const page = await this.#pass('listObjects', args)
    // What was sent is plain data.
    const { texts, numbers } = page.objects
    return { ...page, objects: new ListedObjects(texts, numbers) }
  }
  listVersions: Backend['listVersions'] = (...args) => this.#pass('listVersions', args)
  abortUpload: Backend['abortUpload'] = (...args) => this.#pass('abortUpload', args)
  wrapDataKey: Backend['wrapDataKey'] = (...args) => this.#pass('wrapDataKey', args)
  unwrapDataKey: Backend['unwrapDataKey'] = (...args) => this.#pass('unwrapDataKey', args)

  async createUpload(...args: Args<'createUpload'>): Promise<UploadInfo> {
    return wire.withOwnNames(await this.#pass('createUpload', args))
  }

  async getUpload(...args: Args<'getUpload'>): Promise<UploadInfo> {
    return wire.withOwnNames(await this.#pass('getUpload', args))
  }

  async listParts(...args: Args<'listParts'>): Promise<Result<'listParts'>> {
    const page = await this.#pass('listParts', args)
    wire.withOwnNames(page.upload)
    return page
  }

  async listUploads(...args: Args<'listUploads'>): Promise<ListUploadsPage> {
    const page = await this.#pass('listUploads', args)
    for (const upload of page.uploads) wire.withOwnNames(upload)
    return page
  }

  putObject(...[context, request]: Args<'putObject'>): Promise<Result<'putObject'>> {
    const { body, ...rest } = request
    return this.#call('putObject', context, [rest], (id, call) => this.#withBody(id, call, body))
  }

  putPart(...[context, request]: Args<'putPart'>): Promise<Result<'putPart'>> {
    const { body, admit, ...rest } = request
    const args = [{ ...rest, admit: admit !== undefined }]
    return this.#call('putPart', context, args, (id, call) => {
      call.admit = admit
      // What `finish` computes may depend on `admit`, which the core calls first: such a body is always a stream.
      return admit === undefined
        ? this.#withBody(id, call, body)
        : this.#withStream(id, call, streamOf(body))
    })
  }

  completeUpload(...[context, request]: Args<'completeUpload'>): Promise<Result<'completeUpload'>> {
    const args = [{ ...request, finish: undefined }]
    return this.#call('completeUpload', context, args, (_, call) => {
      call.finish = (parts, upload) => request.finish(parts, upload)
      return undefined
    })
  }

  async getObject(...[context, request]: Args<'getObject'>): Promise<ObjectReader> {
    let readerId = 0
    const found = await this.#call('getObject', context, [request], (id) => {
      readerId = id
      return undefined
    })
    const { versioned, bytes } = found
    const info: ObjectInfo = wire.withOwnNames(found.info)
    if (bytes !== undefined) {
      const read = (start: number, end: number): AsyncIterable<Uint8Array> =>
        readWhole(bytes, start, end)
      return { info, versioned, bytes, read }
    }
    const reader: ObjectReader = {
      info,
      versioned,
      read: (start, end) => this.#read(context, reader, readerId, start, end),
    }
    if (request.withData) this.#forgotten.register(reader, readerId)
    return reader
  }

  /** A call whose request is plain data. */
  #pass<M extends PortMethod>(
    method: M,
    [context, ...args]: [RequestContext, ...unknown[]],
  ): Promise<Result<M>> {
    return this.#call(method, context, args)
  }

  /** `prepare` says what body goes with the call. */
  #call<M extends PortMethod>(
    method: M,
    context: RequestContext | undefined,
    args: readonly unknown[],
    prepare?: (id: number, call: ThreadCall) => BodyInMessage | undefined,
  ): Promise<Result<M>> {
    if (this.#isClosed) return Promise.reject(new StoreError('Unavailable', GONE))
    if (context?.signal.aborted === true) return Promise.reject(context.signal.reason as Error)
    const id = ++this.#ids
    return new Promise<Result<M>>((resolve, reject) => {
      const call = new ThreadCall({
        context,
        resolve: resolve as (value: unknown) => void,
        reject,
        aborted: (reason) => this.#abort(id, reason),
      })
      this.#calls.set(id, call)
      const body = prepare?.(id, call)
      const index = wire.METHODS.indexOf(method)
      const origin = wire.TELLING.has(method) ? context?.origin : undefined
      this.#mailbox.post([wire.CALL, id, index, context?.operation, args, body, origin])
    })
  }

  /** A small body is finished here before it leaves: all that can be wrong with it is known already. */
  #withBody(id: number, call: ThreadCall, body: ObjectBody | SmallBody): BodyInMessage {
    if (!('bytes' in body)) return this.#withStream(id, call, body)
    let finished: FinishedBody | undefined
    try {
      finished = body.finish()
    } catch (error) {
      call.threw(error)
    }
    return { bytes: wire.ownBytes(body.bytes), finished }
  }

  #withStream(id: number, call: ThreadCall, body: ObjectBody): BodyInMessage {
    call.sender = new StreamSender({
      id,
      source: body.chunks,
      blocks: this.#blocks,
      sender: this.#thread,
      receiver: this.#core,
      post: (message) => this.#mailbox.post(message),
      rounds: () => 0,
      finish: () => {
        try {
          return body.finish()
        } catch (error) {
          call.threw(error)
          return undefined
        }
      },
      encode: (error) => {
        call.threw(error)
        return THROWN_BY_THREAD
      },
      over: () => {},
    })
    return { sizeBytes: body.sizeBytes }
  }

  #read(
    context: RequestContext,
    reader: ObjectReader,
    readerId: number,
    start: number,
    end: number,
  ): AsyncIterable<Uint8Array> {
    const id = ++this.#ids
    const download = new ObjectDownload({
      id,
      context,
      reader,
      blocks: this.#blocks,
      owner: this.#thread,
      post: (message) => this.#mailbox.post(message),
      begin: () => {
        if (this.#isClosed) throw new StoreError('Unavailable', GONE)
        this.#downloads.set(id, download)
        this.#mailbox.post([wire.READ, id, readerId, start, end])
      },
      aborted: (reason) => this.#abort(id, reason),
      over: () => this.#downloads.delete(id),
    })
    return download.receiver
  }

  #abort(id: number, reason: unknown): void {
    const { name, message } = reason instanceof Error ? reason : new Error(String(reason))
    this.#mailbox.post([wire.ABORT, id, name, message])
  }

  #received(message: Message): void {
    const id = message[1]
    switch (message[0]) {
      case wire.RESULT:
        return this.#take(id)?.succeed(message[2], message[3])
      case wire.FAILURE:
        return this.#take(id)?.fail(message[2], message[3])
      case wire.ADMIT:
        return this.#admit(this.#calls.get(id), message[2])
      case wire.FINISH:
        void this.#finish(message)
        return
      case wire.GO:
        return this.#go(id)
      case wire.TAKEN:
        return this.#calls.get(id)?.sender?.taken()
      case wire.STOP:
        return this.#calls.get(id)?.sender?.stop()
      case wire.PIECE:
        return this.#piece(id, message[2], message[3])
      case wire.END:
        return this.#downloads.get(id)?.end(message[2])
      case wire.BROKEN:
        return this.#downloads.get(id)?.fail(message[2], message[3])
      case wire.CALL:
      case wire.ABORT:
      case wire.ANSWER:
      case wire.READ:
      case wire.FORGET:
        assert(false, 'a gateway thread makes calls and answers none')
    }
  }

  #take(id: number): ThreadCall | undefined {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    return call
  }

  #admit(call: ThreadCall | undefined, upload: UploadInfo): void {
    try {
      call?.admit?.(wire.withOwnNames(upload))
    } catch (error) {
      call?.threw(error)
    }
  }

  /** The core wants the body, unless `admit` has refused the upload. */
  #go(id: number): void {
    const call = this.#calls.get(id)
    if (call?.hasThrown === true) this.#mailbox.post([wire.BROKEN, id, 0, THROWN_BY_THREAD])
    else call?.sender?.start()
  }

  async #finish([, id, parts, upload]: Extract<
    Message,
    readonly [typeof wire.FINISH, ...unknown[]]
  >): Promise<void> {
    const call = this.#calls.get(id)
    let finished: FinishedBody | undefined
    try {
      finished = await call?.finish?.(parts, wire.withOwnNames(upload))
    } catch (error) {
      call?.threw(error)
    }
    this.#mailbox.post([wire.ANSWER, id, finished])
  }

  #piece(id: number, rounds: number, bytes: PieceBytes): void {
    const download = this.#downloads.get(id)
    if (download !== undefined) download.take(rounds, bytes)
    else if (!(bytes instanceof Uint8Array)) this.#blocks.give(bytes[0], this.#thread)
  }

  /** The caller gave something that is no plain data: a bug. Only its own call fails of it. */
  #unsendable(message: Message, error: unknown): void {
    if (message[0] === wire.CALL) this.#take(message[1])?.failWith(error)
    if (message[0] === wire.ANSWER) {
      this.#calls.get(message[1])?.threw(error)
      this.#mailbox.post([wire.ANSWER, message[1], undefined])
    }
  }
}
