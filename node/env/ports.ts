/**
 * The ports through which node code sees the world. Nothing else in node/ may read a clock, draw a number, set a timer,
 * or touch disk or network. Real adapters are beside this file and in net/, simulated ones in sim/. The same compliance
 * suites run on both.
 */

import type { NodeId } from '../../protocol/ids.ts'

/** Time. Wall time is for display and signatures only, never for order (G4, T4). */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  nowMs(): number
  /** Milliseconds since some instant of this process. Never falls. Fractions allowed. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs`. The returned function cancels it. */
  after(delayMs: number, run: () => void): () => void
}

export interface Random {
  /** Cryptographically strong in production, seeded in simulation. */
  bytes(length: number): Uint8Array<ArrayBuffer>
  /** In [0, 1). For jitter. */
  float(): number
}

/** An error of the operating system. `code` is errno's name: ENOENT, EEXIST, ENOSPC, EIO, EROFS … */
export interface DiskError extends Error {
  readonly code: string
}

/** A directory of flat files, and sub-directories by relative path ("log/00000001.seg"). */
export interface Disk {
  /** Names in a directory, unordered; empty when it does not exist. */
  list(directory: string): Promise<string[]>
  /** Makes a directory and its parents, durably. */
  makeDirectory(directory: string): Promise<void>
  /** Opens for reading and writing. `create` fails with EEXIST when the file exists. */
  open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile>
  /** Durable once `syncDirectory` of the parent has returned. */
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  syncDirectory(directory: string): Promise<void>
  /** Small whole files. `undefined` when absent. */
  readFile(path: string): Promise<Uint8Array | undefined>
  /** Replaces a small file atomically and durably: temporary file, flush, rename, flush of the directory. */
  writeFile(path: string, bytes: Uint8Array, options?: { mode?: number }): Promise<void>
  space(): Promise<{ totalBytes: number; freeBytes: number }>
}

export interface DiskFile {
  readonly path: string
  /** Reads up to `into.length` bytes; the result is the count read, short only at the end of file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** As read, synchronously: for checkers only, since a disk that hangs would stop the event loop (D11). */
  readSync(into: Uint8Array, position: number): number
  /** Writes all buffers, one after the other, from `position` on. Not durable before `flush`. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** fdatasync. After a failure the file must not be flushed again (D5). */
  flush(): Promise<void>
  sizeBytes(): Promise<number>
  truncate(sizeBytes: number): Promise<void>
  close(): Promise<void>
}

/** Ordered map of byte strings, committed in batches. Keys at most 1,900 bytes. */
export interface Index {
  /** Valid until the next call: copy what you keep. */
  get(key: Uint8Array): Uint8Array | undefined
  /** Rows with start <= key < end, ascending, at most `limit`. Values as in `get`. `visit` returns
   * false to stop. */
  range(start: Uint8Array, end: Uint8Array, limit: number, visit: RowVisit): void
  /** The same rows without a copy and without an object for each: see RowScan. */
  scan(start: Uint8Array, end: Uint8Array, limit: number, visit: RowScan): void
  /** All or nothing; resolves when committed (visible to get and range at the latest then). Later
   * batches never overtake earlier ones. A crash keeps a prefix of the batches. */
  write(batch: readonly IndexWrite[]): Promise<void>
  /** Removes everything. */
  clear(): Promise<void>
  close(): Promise<void>
}

/** Called with one row of the index. Returns false to stop. */
export type RowVisit = (key: Uint8Array, value: Uint8Array) => boolean | void

/**
 * Called with one row of the index. Key and value are the first `keyBytes` and `valueBytes` bytes of two buffers that the
 * index reuses: they are valid during the call only, and until the index is called again. Returns false to stop.
 */
export type RowScan = (
  key: Uint8Array,
  keyBytes: number,
  value: Uint8Array,
  valueBytes: number,
) => boolean | void

export interface IndexWrite {
  readonly key: Uint8Array
  /** When it is absent, the key is removed. */
  readonly value?: Uint8Array
}

/** Two long-lived streams to each peer, so that blocks never delay votes. */
export type TrafficClass = 'control' | 'bulk'

export interface NetworkMessage {
  /** Type number of the RPC: protocol/rpc/message.ts. */
  readonly type: number
  /** Encoded message. */
  readonly body: Uint8Array
  /** Raw bytes after the body, never copied into a message: one block at most. */
  readonly payload?: Uint8Array | undefined
  /**
   * Of a request that came from a peer: says that nothing uses `payload` any more, so that the next block may be received
   * into its memory. Call it at most once, or never.
   */
  readonly release?: (() => void) | undefined
}

/** Fails when the peer can't be reached, drops the connection, or the deadline passes. */
export interface NetworkError extends Error {
  readonly code: 'UNREACHABLE' | 'TIMEOUT' | 'ABORTED' | 'REFUSED' | 'OVERLOADED'
  /** False only when the request certainly never left this node. */
  readonly maybeDelivered: boolean
}

export type PeerEvent = { readonly type: 'up' | 'down'; readonly peer: NodeId }

export interface Network {
  readonly self: NodeId
  /** Multiaddresses under which this node listens. */
  addresses(): string[]
  /** One request, one reply. Members only (the member check is the adapter's: `setMembers`). */
  call(
    peer: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<NetworkMessage>
  /** Answers every request. At most one handler. A rejection is answered as REFUSED with its text. */
  serve(handler: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>): void
  /** Whom to dial and let in, with the addresses known for each. Strangers reach join only. */
  setMembers(members: ReadonlyMap<NodeId, readonly string[]>): void
  /** Whether calls to the peer can be sent now. This node is always connected to itself. */
  connected(peer: NodeId): boolean
  /** Called for each peer that comes up or goes down from now on. */
  onPeer(listener: (event: PeerEvent) => void): void
  /** Best effort, to all members, possibly late, twice or never. Safety never depends on it. */
  publish(topic: string, bytes: Uint8Array): void
  subscribe(topic: string, listener: (from: NodeId, bytes: Uint8Array) => void): void
  /** One finite exchange with a node at a known address that may not be a member yet (join). The
   * peer's identity is what the handshake proved. */
  callStranger(
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: { timeoutMs: number },
  ): Promise<{ peer: NodeId; reply: Uint8Array }>
  serveStrangers(
    protocol: string,
    handler: (from: NodeId, request: Uint8Array) => Promise<Uint8Array>,
  ): void
  /** Kademlia. `provide` announces a slice of the keyspace (0..255); slow, best effort. */
  provideSlices(slices: readonly number[]): Promise<void>
  /** Walks the DHT to providers of `slice`, the partition's (protocol/keyspace/slice.ts), then asks one: the exact replica set it answers, or
   * undefined when the walk found no provider. `hops`: how many peers the walk had asked until then. */
  walk(
    partition: number,
    options: { slice: number; timeoutMs: number },
  ): Promise<{ replicas: NodeId[]; provider: NodeId; hops: number } | undefined>
  /** Answers another peer's walk. */
  serveWalk(handler: (partition: number) => NodeId[]): void
  start(): Promise<void>
  stop(): Promise<void>
}

/** The node's Ed25519 key. Synchronous, so that a simulation's order is its seed's. */
export interface Signer {
  readonly nodeId: NodeId
  sign(bytes: Uint8Array): Uint8Array
  verify(signer: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean
}

/**
 * Signed tokens in the form of JWTs. This checks the signature; the caller judges the claims (iam/sessions.ts). The
 * methods return promises because WebCrypto does; those of a simulation resolve at once.
 */
export interface TokenSigner {
  /** Compact JWS over `claims`, the text of a JSON object. `key`: 32 bytes, `keyId` names it in the header. */
  sign(key: Uint8Array, claims: string, keyId?: string): Promise<string>
  /** The key's name in the header, not verified yet. Undefined when there is none, or the text is no token. */
  keyIdOf(token: string): string | undefined
  /** The claims as they were signed. Undefined when the text is no token, has another algorithm or type, was
   * altered, or was signed with another key. */
  verify(key: Uint8Array, token: string): Promise<string | undefined>
}

/**
 * Requests to others than peers, at addresses that the operator's configuration names. The caller judges an address
 * before it is connected to, so looking it up and connecting are two steps.
 */
export interface Outgoing {
  /** The addresses of a host name; an address is its own. Rejects when there is none, and after the deadline. */
  resolve(host: string, options: { timeoutMs: number }): Promise<readonly string[]>
  /**
   * Sends one POST, to exactly this address, and resolves with the status of the answer. No redirect is followed. The
   * answer's body is thrown away, and the connection with it when there is too much. Rejects when no answer comes in time.
   */
  post(
    request: OutgoingRequest,
    options: { timeoutMs: number },
  ): Promise<{ readonly status: number }>
  /** Closes idle connections. */
  close(): void
}

export interface OutgoingRequest {
  /** http or https. A certificate must be valid for the host in it. */
  readonly url: string
  /** Where to connect, instead of looking up the host. */
  readonly address: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What became of a token of an OIDC provider. */
export type VerifiedWebToken =
  /** The text of its claims, a JSON object, which a key of the issuer has signed. */
  | { readonly claims: string }
  /** `keys`: no keys of the issuer are known here. `key`: it has none that fits. `signature`: the signature is wrong. */
  | { readonly lacks: 'keys' | 'key' | 'signature' }

/**
 * Tokens of OIDC providers, which are JWTs signed by private keys. This knows the public keys of the issuers and checks
 * the signature; the caller judges the claims (iam/web-identity.ts).
 */
export interface WebTokens {
  /** Who the token says has issued it, not verified. Undefined when the text is no JWT, or is signed in another way. */
  issuerOf(token: string): string | undefined
  verify(issuer: string, token: string): Promise<VerifiedWebToken>
}

/** Structured log lines. */
export interface Logger {
  debug(fields: Record<string, unknown>, message: string): void
  info(fields: Record<string, unknown>, message: string): void
  warn(fields: Record<string, unknown>, message: string): void
  error(fields: Record<string, unknown>, message: string): void
}

/** What a node gets of the world. */
export interface Environment {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly network: Network
  readonly signer: Signer
  readonly tokens: TokenSigner
  readonly outgoing: Outgoing
  /** Without it no token of an OIDC provider counts. */
  readonly webTokens?: WebTokens | undefined
  readonly logger: Logger
  /** Opens (makes) the index of this data directory. */
  openIndex(): Promise<Index>
  /** Stops the process after an error that must not be survived (D5). */
  fail(reason: string): void
}
