/** The part of a libp2p stream that the RPC uses, so that its tests need no libp2p. */

export interface ByteChunks extends Iterable<Uint8Array> {
  readonly byteLength: number
}

/** Reading is by events: 'message' for bytes, 'remoteCloseWrite' when the peer sends no more. */
export interface ByteStream {
  readonly status: string
  /** While true, `send` only queues: wait for 'drain'. */
  readonly writableNeedsDrain: boolean
  /** False when the stream is full. The bytes are queued all the same. */
  send(bytes: Uint8Array): boolean
  /** No more messages until `resume`; the peer's window fills up. */
  pause(): void
  /** Delivers what has gathered, synchronously. Throws once the stream is closed. */
  resume(): void
  close(): Promise<void>
  /** Resets the stream. The peer sees that it was not closed in order. */
  abort(error: Error): void
  addEventListener(
    type: 'message',
    listener: (event: { data: Uint8Array | ByteChunks }) => void,
  ): void
  addEventListener(
    type: 'drain' | 'close' | 'remoteCloseWrite',
    listener: (event: { error?: Error }) => void,
  ): void
}
