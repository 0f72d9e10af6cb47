/**
 * Limits what the peer of one connection may send (limits.ts), by the headers of yamux's frames before yamux sees
 * them. A stream that is opened and reset costs as much as one that is used, and most never reach a handler that
 * could count them.
 *
 * A peer may become a member, or cease to be one, while its connection lasts. Each side of that has its own
 * rates.
 */

import type { Clock } from '../env/ports.ts'
import type { Allowance } from './limits.ts'
import { MEMBER_ALLOWANCE, NEGOTIATION_BYTES_MAX, STRANGER_ALLOWANCE } from './limits.ts'
import { TokenBucket } from './token-bucket.ts'
import { YamuxFlag, YamuxHeaders, YamuxType } from './yamux-headers.ts'
import type { YamuxHeader } from './yamux-headers.ts'

/** A stream of the multiplexer. */
export interface MuxedStream {
  readonly id: string
  readonly direction: 'inbound' | 'outbound'
  /** Empty until the protocol is agreed on. */
  readonly protocol: string
}

export interface FrameBudgetInit {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly isMember: () => boolean
  /** Whether we dialled, so that the peer's streams have even numbers. */
  readonly dialled: boolean
  readonly streams: () => readonly MuxedStream[]
  /** Shared by all strangers. */
  readonly strangersStreams: TokenBucket
}

/** One for each connection. */
export class FrameBudget {
  readonly #init: FrameBudgetInit
  readonly #headers = new YamuxHeaders()
  /** Streams of the peer without a protocol, and the bytes that came on them. */
  readonly #young = new Map<number, number>()
  #isMember = false
  #rates: Rates

  constructor(init: FrameBudgetInit) {
    this.#init = init
    this.#rates = new Rates(STRANGER_ALLOWANCE, init.clock)
  }

  /** Throws when the peer sends more than it may. The caller then drops the bytes and closes the connection. */
  take(chunks: Uint8Array | Iterable<Uint8Array>): void {
    const { isMember, clock } = this.#init
    if (isMember() !== this.#isMember) {
      this.#isMember = !this.#isMember
      this.#rates = new Rates(this.#isMember ? MEMBER_ALLOWANCE : STRANGER_ALLOWANCE, clock)
    }
    this.#forgetGrown()
    let openStreams = this.#init.streams().filter(({ direction }) => direction === 'inbound').length
    const visit = (header: YamuxHeader): void => {
      const opens = isStreamFrame(header) && (header.flags & YamuxFlag.syn) !== 0
      if (!this.#rates.frames.take()) throw new Error('too many frames')
      if (opens) this.#open(header.stream, ++openStreams)
      if (header.type === YamuxType.data) this.#data(header)
    }
    for (const chunk of chunks instanceof Uint8Array ? [chunks] : chunks) {
      this.#headers.push(chunk, visit)
    }
  }

  /** The peer opens a stream. Counted before yamux has made it. */
  #open(stream: number, openStreams: number): void {
    const { allowance, streams } = this.#rates
    if (openStreams > allowance.streamsOpenMax) throw new Error('too many streams at once')
    const ofAll = this.#isMember || this.#init.strangersStreams.take()
    if (!ofAll || !streams.take()) throw new Error('too many streams')
    this.#young.set(stream, 0)
  }

  /** Announced bytes count at once: yamux gathers the frame before it looks at its window. */
  #data({ stream, length }: YamuxHeader): void {
    const { allowance, bytes } = this.#rates
    if (length > allowance.frameBytesMax) throw new Error('a frame is too large')
    const young = this.#young.get(stream)
    if (young !== undefined) {
      if (young + length > NEGOTIATION_BYTES_MAX)
        throw new Error('too many bytes before a protocol was agreed on')
      this.#young.set(stream, young + length)
    }
    // The reader of an answer to our own request limits its size.
    const isOurs = (stream % 2 === 0) !== this.#init.dialled
    if (isOurs && this.#asksOn(stream)) return
    if (!bytes.take(length)) throw new Error('too many bytes')
  }

  #asksOn(stream: number): boolean {
    if (this.#isMember) return true
    const id = String(stream)
    return this.#init.streams().some((one) => one.id === id && one.protocol.startsWith('/shoal/'))
  }

  /** Forgets streams whose protocol is agreed on by now, and those that are closed. */
  #forgetGrown(): void {
    if (this.#young.size === 0) return
    const streams = new Map(this.#init.streams().map((stream) => [stream.id, stream]))
    for (const id of this.#young.keys()) {
      if (streams.get(String(id))?.protocol !== '') this.#young.delete(id)
    }
  }
}

/** What is left of one allowance. */
class Rates {
  readonly allowance: Allowance
  readonly streams: TokenBucket
  readonly frames: TokenBucket
  readonly bytes: TokenBucket

  constructor(allowance: Allowance, clock: Pick<Clock, 'monotonicMs'>) {
    this.allowance = allowance
    this.streams = new TokenBucket(clock, allowance.streams)
    this.frames = new TokenBucket(clock, allowance.frames)
    this.bytes = new TokenBucket(clock, allowance.bytes)
  }
}

function isStreamFrame({ type }: YamuxHeader): boolean {
  return type === YamuxType.data || type === YamuxType.windowUpdate
}
