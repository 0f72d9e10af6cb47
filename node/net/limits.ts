/** Every size, count and delay of the network in one place. */

import type { TrafficClass } from '../env/ports.ts'

export const KIB = 1024
export const MIB = 1024 * KIB

/** One block, and some room for what is around it. */
export const PAYLOAD_BYTES_MAX = MIB + 4 * KIB
/** Encoded message: a listing page is the largest. */
export const BODY_BYTES_MAX = MIB

/**
 * Bytes of requests sent to one peer and not yet answered, by class. Further calls wait in the caller, so that the HTTP socket
 * slows down, too.
 */
export const IN_FLIGHT_BYTES_MAX: Readonly<Record<TrafficClass, number>> = {
  control: 8 * MIB,
  bulk: 16 * MIB,
}
/** Calls that may wait for that room; one more fails at once. */
export const WAITING_CALLS_MAX = 65_536
/** The same in bytes. */
export const WAITING_BYTES_MAX = 64 * MIB
/** Requests of one peer served at once, by class. Further ones wait. A bulk reply may be a block. */
export const SERVED_AT_ONCE_MAX: Readonly<Record<TrafficClass, number>> = {
  control: 8_192,
  bulk: 64,
}
/** Replies queued for one peer before its next requests wait to be served. */
export const REPLY_QUEUE_BYTES_MAX = 16 * MIB
/**
 * Requests of one peer being served, by class. Beyond either, further ones are answered as OVERLOADED, unserved. This is twice
 * what a peer keeps in flight, so only a peer whose calls ran into their deadlines reaches it.
 */
export const SERVED_BYTES_MAX = 32 * MIB
export const SERVED_REQUESTS_MAX = 65_536
/** Requests of all peers being served. Beyond it, further ones are answered as OVERLOADED, unserved. */
export const SERVED_BYTES_MAX_NODE = 256 * MIB

/** Frames gathered into one write. */
export const BATCH_BYTES = 256 * KIB
/** Payloads from this size on are sent as they are. Smaller ones are copied into the batch. */
export const COPIED_PAYLOAD_BYTES_MAX = 16 * KIB

/** TCP sends its first packet again after 1, 3, 7 s: past the first of these a new attempt is quicker. */
export const CONNECT_TIMEOUT_MS = 1_000
/** Connecting, handshake and hellos of a first attempt, and of later ones. */
export const DIAL_TIMEOUT_MS_FIRST = 2_500
export const DIAL_TIMEOUT_MS = 5_000
export const REDIAL_DELAY_MS_MIN = 50
/** From the beginning of one attempt to that of the next one, for attempts that fail sooner. */
export const REDIAL_DELAY_MS_MAX = 1_000
/** A link that lived this long is dialled again at once when it is lost. */
export const STABLE_LINK_MS = 2_000
/** When two peers would dial each other at once, the one with the higher id waits this long. */
export const DIAL_COURTESY_MS = 300
/** After this many failed dials in a row the DHT is asked for a newer address. */
export const DIALS_BEFORE_LOOKUP = 3
export const LOOKUP_TIMEOUT_MS = 3_000

/** How often a link that heard nothing since the last time asks for a sign of life. */
export const HEARTBEAT_MS = 500
/** Silent heartbeats in a row after which another link is dialled beside it, */
export const SILENT_BEATS = 4
/** after which the peer counts as down, and calls to it fail at once, */
export const LOST_BEATS = 8
/** and after which the link is dropped: longer than a process stopped for 30 s. */
export const DROPPED_BEATS = 120

export const STRANGER_REQUEST_BYTES_MAX = 64 * KIB
export const STRANGER_REPLY_BYTES_MAX = 8 * MIB
/** Requests of strangers worked on at once. Reading them is limited for each connection instead. */
export const STRANGER_EXCHANGES_MAX = 32
export const STRANGER_TIMEOUT_MS = 15_000
/** Inbound connections of peers that are no members; of one address (address-group.ts) among them. */
export const STRANGER_CONNECTIONS_MAX = 128
export const STRANGER_CONNECTIONS_MAX_ADDRESS = 64
/** How long such a connection may idle, and how long it may last. */
export const STRANGER_IDLE_MS = 30_000
export const STRANGER_LIFETIME_MS = 60_000

/** Inbound connections whose peer is not known yet; of one address where no member lives. */
export const HANDSHAKES_MAX = 256
export const HANDSHAKES_MAX_ADDRESS = 32
/** By then the dialling peer has given up as well. */
export const HANDSHAKE_TIMEOUT_MS = DIAL_TIMEOUT_MS
/** What a peer sends before it is known: two lines of multistream-select, then some 2 KiB of TLS. */
export const OPENING_BYTES_MAX = 128
/**
 * What all of that may be. Bytes are counted as they come until the header of the hello is there (tls-hello.ts), which must
 * fit into its record of 16 KiB. From then on OpenSSL receives them, and ends a handshake by its own bounds: 128 KiB of a second
 * hello, 100 KiB of certificates, 64 KiB of any other message. A handshake is counted again when it ends.
 */
export const HANDSHAKE_BYTES_MAX = 64 * KIB
/**
 * New connections from one address where no member lives, and from all of these. Each costs about 3 ms of CPU here, and up to
 * 100 ms when the peer sends 100 KiB of certificates with long keys, which OpenSSL checks before it shows them.
 */
export const ADDRESS_CONNECTS: Rate = { burst: 32, perSecond: 4 }
export const STRANGER_CONNECTS: Rate = { burst: 64, perSecond: 16 }
/** The time between the beginnings of their TLS handshakes, so that a burst does not fill one turn of the event loop. */
export const STRANGER_TLS_PAUSE_MS = 25
/** Addresses whose rates are remembered. */
export const ADDRESSES_MAX = 4_096
/** Inbound connections of one member. It has two, and a few more for a minute after each cut. */
export const MEMBER_CONNECTIONS_MAX = 16

/** A burst, and a rate a second in the long run. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** What one peer may send on one connection. Its connection is closed when it sends more. */
export interface Allowance {
  /** Streams that it opens. */
  readonly streams: Rate
  /** Those of them that are open at the same time. */
  readonly streamsOpenMax: number
  /** Frames of yamux of any kind: data, window updates, pings. */
  readonly frames: Rate
  /** Data that one frame announces: yamux gathers a frame whole before it looks at its window. */
  readonly frameBytesMax: number
  /** Data on streams, but those on which it answers us. */
  readonly bytes: Rate
}

/** A joiner opens about ten streams and sends some KiB. */
export const STRANGER_ALLOWANCE: Allowance = {
  streams: { burst: 24, perSecond: 4 },
  streamsOpenMax: 16,
  frames: { burst: 2_048, perSecond: 1_024 },
  frameBytesMax: 256 * KIB,
  bytes: { burst: 256 * KIB, perSecond: 16 * KIB },
}
/** A member opens two streams for its link, and some for Kademlia and gossip. */
export const MEMBER_ALLOWANCE: Allowance = {
  streams: { burst: 128, perSecond: 64 },
  streamsOpenMax: 128,
  frames: { burst: 16_384, perSecond: 65_536 },
  frameBytesMax: 4 * MIB,
  bytes: { burst: Infinity, perSecond: Infinity },
}
/** Streams that all strangers together open: 128 connections could use their bursts at the same time. */
export const STRANGER_STREAMS: Rate = { burst: 192, perSecond: 96 }
/** What a stream may carry before its protocol is agreed on: each line costs an answer. */
export const NEGOTIATION_BYTES_MAX = 512
export const NEGOTIATION_TIMEOUT_MS = 5_000

/**
 * The time between two announcements of slices. Each costs about 50 ms of CPU here, so a tenth of a core at most, and a
 * thirtieth later.
 */
export const PROVIDE_PAUSE_MS = 1_500
/** The same while no node knows of them: after a start, and when a layout has moved them. */
export const PROVIDE_PAUSE_MS_FIRST = 400
export const PROVIDE_TIMEOUT_MS = 10_000
/** Other nodes keep records in memory and lose them when they restart, so they are announced again after this time. */
export const PROVIDE_AGAIN_MS = 60 * 60_000
/** The delay after a peer appears, which has no records yet. */
export const PROVIDE_AFTER_UP_MS = 10_000
