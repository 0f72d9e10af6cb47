/** The part of a libp2p stream that the RPC uses, so that its tests need no libp2p. */

export interface ByteChunks extends Iterable<Uint8Array> {
  readonly byteLength: number
}

export interface ByteStream {
  readonly status: string
  /** While true, `send` only queues: wait for 'drain'. */
  readonly writableNeedsDrain: boolean
  send(bytes: Uint8Array): boolean
  pause(): void
  /** Delivers what has gathered, synchronously. Throws once the stream is closed. */
  resume(): void
  close(): Promise<void>
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
