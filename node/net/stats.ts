/** Counters of one node's network, for metrics. Except for the gauges, they only rise. */

/** Bytes and frames are those of our own streams; what libp2p sends by itself is not counted. */
export interface NetworkStats {
  bytesSent: number
  bytesReceived: number
  framesSent: number
  framesReceived: number
  callsStarted: number
  callsFailed: number
  requestsServed: number
  requestsRefused: number
  streamsReset: number
  /** Gauge: calls without an answer yet. */
  callsInFlight: number
  /** Gauge: requests of others being served. */
  requestsInService: number
  /** Gauge: bytes of those requests. */
  bytesInService: number
  /** Gauge: members with a ready link. */
  peersConnected: number
  /** Inbound connections that were refused or closed because of missing places, or because of what their peers sent. */
  connectionsRefused: number
  /** Gauge: inbound connections whose peers are not known yet. */
  handshakes: number
  /** Gauge: inbound connections of peers that are no members. */
  strangers: number
}

export function newStats(): NetworkStats {
  return {
    bytesSent: 0,
    bytesReceived: 0,
    framesSent: 0,
    framesReceived: 0,
    callsStarted: 0,
    callsFailed: 0,
    requestsServed: 0,
    requestsRefused: 0,
    streamsReset: 0,
    callsInFlight: 0,
    requestsInService: 0,
    bytesInService: 0,
    peersConnected: 0,
    connectionsRefused: 0,
    handshakes: 0,
    strangers: 0,
  }
}
