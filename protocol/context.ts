/** Travels with one request through backend and peers. */
export interface RequestContext {
  /** S3's name of the operation: PutObject … for metrics, and for the names of events. */
  readonly operation: string
  /** Aborted when the client is gone or the deadline has passed. */
  readonly signal: AbortSignal
  /** Quorum round trips that the request waited for one after the other. The backend adds. */
  rounds: number
  /** From where a client's request came, for events about it. Absent for work that no client asked for. */
  readonly origin?: RequestOrigin | undefined
}

/** What an event tells about the request that caused it. */
export interface RequestOrigin {
  /** As `aws:userid`; 'Anonymous' without a signature. */
  readonly principalId: string
  readonly address: string
  /** As in the answer's x-amz-request-id and x-amz-id-2. */
  readonly requestId: string
  readonly hostId: string
}
