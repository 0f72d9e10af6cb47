/** Errors of calls and streams. */

import type { NetworkError } from '../env/ports.ts'

/** A call failed. What the codes mean to a caller: NetworkError (node/env/ports.ts). */
export class NetworkFailure extends Error implements NetworkError {
  override readonly name = 'NetworkFailure'
  readonly code: NetworkError['code']
  readonly maybeDelivered: boolean

  constructor(code: NetworkError['code'], message: string, maybeDelivered: boolean) {
    super(message)
    this.code = code
    this.maybeDelivered = maybeDelivered
  }
}

/** The stream carries something other than our frames. The stream is reset, and the node goes on. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** A peer has sent something in its handshake that no peer may send. Its connection is closed. */
export class HandshakeRefused extends Error {
  override readonly name = 'HandshakeRefused'
}

/** What was thrown, as text for a log line or a refusal. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
