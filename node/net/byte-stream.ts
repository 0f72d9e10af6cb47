/** What the RPC needs of a libp2p stream, so that its tests can do without libp2p. */

export interface ByteChunks extends Iterable<Uint8Array> {
  readonly byteLength: number
}

export interface ByteStream {
  readonly status: string
  /** When it is true, `send` only queues; wait for 'drain'. */
  readonly writableNeedsDrain: boolean
  send(bytes: Uint8Array): boolean
  pause(): void
  /** Throws once closed. Delivers what has gathered, synchronously. */
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
