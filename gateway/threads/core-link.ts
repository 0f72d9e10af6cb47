/**
 * The core's end of the channel to one gateway thread: carries out the thread's calls on the backend, and answers them.
 *
 * Invariants:
 *   - every call is answered exactly once, unless the thread is gone
 *   - a body is not asked for before the backend asks for its first chunk
 *   - a block that the backend looks at stays the core's until it asks for the next chunk or its call is over, also when
 *     the thread dies meanwhile
 *   - when the thread is gone, its calls are aborted, and all its blocks are free as soon as no call looks at them
 */

import type { MessagePort } from 'node:worker_threads'
import { assert } from '../../protocol/assert.ts'
import { ReplacedError } from '../../protocol/errors.ts'
import type { Backend } from '../port/backend.ts'
import type { FinishedBody, ObjectBody, SmallBody } from '../port/body.ts'
import type { ObjectHeaders, ObjectReader } from '../port/objects.ts'
import type { PartInfo, UploadInfo } from '../port/uploads.ts'
import { blockHolder, type BlockHolder, type SharedBlocks } from './blocks.ts'
import { CoreCall } from './core-call.ts'
import { OtherPorts, type OtherPortsOptions } from './other-ports.ts'
import { Mailbox } from './mailbox.ts'
import * as wire from './messages.ts'
import type { BodyInMessage, Message, PortMethod, PieceBytes } from './messages.ts'
import { StreamReceiver } from './stream-receiver.ts'
import { StreamSender } from './stream-sender.ts'
import { AbortedByThread, encodeError, ThrownByThread } from './wire-errors.ts'

/** Readers of objects that a thread may have open and not yet read. The oldest is forgotten beyond it: the thread then
 * gets the object again, as when it was replaced (R4). */
const READERS_MAX = 4096

export interface CoreLinkOptions extends OtherPortsOptions {
  readonly blocks: SharedBlocks
  /** Counts the threads of the process from 1. No two that live at the same time share a number. */
  readonly link: number
  readonly port: MessagePort
  /** Runs `run` once, after what is ready in this turn of the event loop (mailbox.ts). */
  readonly afterTurn: (run: () => void) => void
  /** The thread is gone, or has closed its end. */
  readonly ended?: (() => void) | undefined
}

/** What a request carries besides the fields that pass as they are. */
type Request = Record<string, unknown>

interface Download {
  readonly sender: StreamSender
  readonly call: CoreCall
}

export class CoreLink {
  readonly #options: CoreLinkOptions
  readonly #mailbox: Mailbox
  /** This side's and the thread's name as owners of blocks. */
  readonly #core: BlockHolder
  readonly #thread: BlockHolder
  /** Calls that the backend is carrying out. They stay here until it is done, also when the thread is gone. */
  readonly #calls = new Map<number, CoreCall>()
  readonly #others: OtherPorts
  readonly #readers = new Map<number, { readonly reader: ObjectReader; readonly call: CoreCall }>()
  readonly #downloads = new Map<number, Download>()
  #isClosed = false

  constructor(options: CoreLinkOptions) {
    const { link, port, afterTurn } = options
    this.#options = options
    this.#others = new OtherPorts(options)
    options.rights?.onForget(() => options.blocks.raiseRightsVersion())
    this.#core = blockHolder(link, 'core')
    this.#thread = blockHolder(link, 'thread')
    this.#mailbox = new Mailbox({
      port,
      afterTurn,
      received: (message) => this.#received(message),
      unsendable: (message, error) => this.#unsendable(message, error),
      ended: () => {
        this.close()
        options.ended?.()
      },
    })
  }

  /** Calls and downloads that are not over. */
  get inFlight(): number {
    return this.#calls.size + this.#downloads.size
  }

  /** The thread has ended, and touches no block any more. Its calls are aborted, and it gets no answers. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#mailbox.close()
    const gone = new AbortedByThread('AbortError', 'the gateway thread has ended')
    for (const { sender, call } of this.#downloads.values()) {
      call.abort(gone)
      sender.stop()
    }
    for (const call of this.#calls.values()) {
      call.abort(gone)
      call.body?.cut(gone)
      call.answer?.reject(gone)
    }
    this.#readers.clear()
    const { blocks } = this.#options
    const calls = [...this.#calls.values()]
    blocks.reclaim(this.#thread, () => false)
    blocks.reclaim(this.#core, (block) => calls.some(({ body }) => body?.shows(block) === true))
  }

  #received(message: Message): void {
    const id = message[1]
    switch (message[0]) {
      case wire.CALL:
        return this.#call(message)
      case wire.ABORT: {
        const call = this.#calls.get(id) ?? this.#downloads.get(id)?.call
        return call?.abort(new AbortedByThread(message[2], message[3]))
      }
      case wire.ANSWER: {
        const answer = this.#calls.get(id)?.answer
        return message[2] === undefined
          ? answer?.reject(new ThrownByThread())
          : answer?.resolve(message[2])
      }
      case wire.READ:
        return this.#read(id, message[2], message[3], message[4])
      case wire.FORGET:
        this.#readers.delete(id)
        return
      case wire.PIECE:
        return this.#piece(id, message[3])
      case wire.END: {
        const call = this.#calls.get(id)
        if (call !== undefined) call.finished = message[3]
        return call?.body?.end()
      }
      case wire.BROKEN:
        return this.#calls.get(id)?.body?.fail(new ThrownByThread())
      case wire.TAKEN:
        return this.#downloads.get(id)?.sender.taken()
      case wire.STOP:
        return this.#downloads.get(id)?.sender.stop()
      case wire.RESULT:
      case wire.FAILURE:
      case wire.ADMIT:
      case wire.FINISH:
      case wire.GO:
        assert(false, 'the core answers calls and makes none')
    }
  }

  #call([, id, index, operation, args, body, origin]: Extract<
    Message,
    readonly [typeof wire.CALL, ...unknown[]]
  >): void {
    const method = wire.METHODS[index]
    assert(method !== undefined, 'both ends know the same methods')
    const call = new CoreCall(operation ?? '', origin)
    this.#calls.set(id, call)
    let outcome: Promise<unknown>
    try {
      outcome = this.#invoke(id, call, method, args, body)
    } catch (error) {
      outcome = Promise.reject(error)
    }
    outcome.then(
      (value) => {
        this.#over(id, call)
        const sent = method === 'getObject' ? this.#keep(id, call, args, value) : value
        this.#mailbox.post([wire.RESULT, id, call.newRounds(), sent])
      },
      (error: unknown) => {
        this.#over(id, call)
        this.#mailbox.post([wire.FAILURE, id, call.newRounds(), encodeError(error)])
      },
    )
  }

  /** The backend is done with the call and its body. */
  #over(id: number, call: CoreCall): void {
    this.#calls.delete(id)
    void call.body?.return()
  }

  #invoke(
    id: number,
    call: CoreCall,
    method: PortMethod,
    args: readonly unknown[],
    body: BodyInMessage | undefined,
  ): Promise<unknown> {
    if (method in this.#others) {
      const { [method as keyof OtherPorts]: other } = this.#others
      return (other as (call: CoreCall, ...args: readonly unknown[]) => Promise<unknown>)(
        call,
        ...args,
      )
    }
    const { backend } = this.#options
    const run = backend[method as keyof Backend] as (...args: unknown[]) => Promise<unknown>
    if (method === 'credential' || method === 'sessionCredential')
      return run.apply(backend, [...args])
    const request = args[0] as Request
    if (method === 'putObject' || method === 'createUpload') {
      wire.withOwnNames(request['headers'] as ObjectHeaders)
    }
    if (body !== undefined) request['body'] = this.#bodyOf(id, call, body)
    if (method === 'putPart') {
      const isAsked = request['admit'] === true
      const admit = (upload: UploadInfo): void => this.#mailbox.post([wire.ADMIT, id, upload])
      request['admit'] = isAsked ? admit : undefined
    }
    if (method === 'completeUpload') {
      request['finish'] = (parts: readonly PartInfo[], upload: UploadInfo) =>
        this.#finishInThread(id, call, parts, upload)
    }
    return run.apply(backend, [call, ...args])
  }

  #bodyOf(id: number, call: CoreCall, body: BodyInMessage): ObjectBody | SmallBody {
    if ('bytes' in body) {
      const { bytes, finished } = body
      return { bytes, finish: () => finishedOr(finished) }
    }
    call.body = new StreamReceiver({
      id,
      blocks: this.#options.blocks,
      owner: this.#core,
      post: (message) => this.#mailbox.post(message),
      begin: () => this.#mailbox.post([wire.GO, id]),
      over: () => {},
    })
    return { sizeBytes: body.sizeBytes, chunks: call.body, finish: () => finishedOr(call.finished) }
  }

  #finishInThread(
    id: number,
    call: CoreCall,
    parts: readonly PartInfo[],
    upload: UploadInfo,
  ): Promise<FinishedBody> {
    return new Promise((resolve, reject) => {
      call.answer = { resolve, reject }
      if (call.signal.aborted) reject(call.signal.reason as Error)
      else this.#mailbox.post([wire.FINISH, id, parts, upload])
    })
  }

  /** What the thread gets of a reader. One whose bytes were asked for and do not come along is kept until it forgets it. */
  #keep(id: number, call: CoreCall, args: readonly unknown[], value: unknown): unknown {
    const reader = value as ObjectReader
    const { info, versioned, bytes } = reader
    if (bytes !== undefined) return { info, versioned, bytes: wire.ownBytes(bytes) }
    const { withData } = args[0] as { withData: boolean }
    if (withData && !this.#isClosed) {
      this.#readers.set(id, { reader, call })
      if (this.#readers.size > READERS_MAX) {
        const [oldest] = this.#readers.keys()
        this.#readers.delete(oldest!)
      }
    }
    return { info, versioned, bytes }
  }

  #read(id: number, readerId: number, start: number, end: number): void {
    const kept = this.#readers.get(readerId)
    if (kept === undefined) {
      this.#mailbox.post([wire.BROKEN, id, 0, encodeError(new ReplacedError())])
      return
    }
    const { reader, call } = kept
    const sender = new StreamSender({
      id,
      source: { [Symbol.asyncIterator]: () => reader.read(start, end)[Symbol.asyncIterator]() },
      blocks: this.#options.blocks,
      sender: this.#core,
      receiver: this.#thread,
      post: (message) => this.#mailbox.post(message),
      rounds: () => call.newRounds(),
      finish: () => undefined,
      encode: encodeError,
      over: () => this.#downloads.delete(id),
    })
    this.#downloads.set(id, { sender, call })
    sender.start()
  }

  /** A piece of a body that nobody reads any more is dropped. */
  #piece(id: number, bytes: PieceBytes): void {
    const body = this.#calls.get(id)?.body
    if (body !== undefined) body.take(bytes)
    else if (!(bytes instanceof Uint8Array)) this.#options.blocks.give(bytes[0], this.#core)
  }

  /** The backend returned something that is no plain data: a bug. Only its own call fails of it. */
  #unsendable(message: Message, error: unknown): void {
    if (message[0] === wire.RESULT) {
      this.#mailbox.post([wire.FAILURE, message[1], message[2], encodeError(error)])
    }
    if (message[0] === wire.FINISH) this.#calls.get(message[1])?.answer?.reject(error)
  }
}

function finishedOr(finished: FinishedBody | undefined): FinishedBody {
  if (finished === undefined) throw new ThrownByThread()
  return finished
}
