/** Travels with one request through backend and peers. */
export interface RequestContext {
  /** S3's name of the operation: PutObject … for metrics. */
  readonly operation: string
  /** Aborted when the client is gone or the deadline has passed. */
  readonly signal: AbortSignal
  /** Quorum round trips that the request waited for one after the other. The backend adds. */
  rounds: number
}
