/** What the admin port shows and does: the state of the node, join tokens, the cluster secret, scrubs, the layout. */

import type { LayoutBackend } from './layout.ts'
import type { LocateResult } from './locate-result.ts'
import type { LostStatus, NodeStatus, ScrubStatus, SecretStatus, TokenStatus } from './status.ts'

/** What the admin port shows and does. */
export interface AdminBackend extends LayoutBackend {
  /** Undefined: ready. Otherwise why not. */
  notReadyReason(): string | undefined
  status(): Promise<NodeStatus>
  /** Of a joiner: its text, which can't be shown again. Throws StoreError Unavailable. */
  issueToken(options: { readonly ttlMs: number; readonly uses: number }): Promise<string>
  /** Join tokens that have not expired, without what opens with them. */
  tokens(): readonly TokenStatus[]
  /** False: there is none with this id. Throws StoreError Unavailable. */
  revokeToken(id: string): Promise<boolean>
  secret(): SecretStatus
  /** The next cluster secret. Sessions that the present one signed are good for so long. Throws StoreError
   * Unavailable. */
  rotateSecret(overlapMs: number): Promise<SecretStatus>
  locate(bucket: string, key: string): Promise<LocateResult>
  /** What is lost for good: registers name it, and no replica has it. */
  lost(): Promise<LostStatus>
  /** Begins to verify everything that this node keeps, or joins what runs; what it found so far. */
  startScrub(): ScrubStatus
  scrubStatus(): ScrubStatus
  /** Prometheus values read at scrape time. */
  gauges(): readonly Gauge[]
}

export interface Gauge {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
}
