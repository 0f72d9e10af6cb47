/**
 * Who may use the admin port. Everything but health and metrics needs the credential of this run of the node,
 * which only the owner of its data directory can read (F36).
 *
 * Each start draws a new credential. A program that listens on the port while the node is stopped, and gets the
 * credential from a command, has learned nothing that the next run accepts.
 */

import { createHash, timingSafeEqual } from 'node:crypto'

export const ADMIN_CREDENTIAL_FILE = 'admin-credential'
/** 256 random bits, hex. */
export const ADMIN_CREDENTIAL = /^[0-9a-f]{64}$/

/** The credential of this run of the node. */
export interface AdminCredential {
  readonly secret: string
  /** The file that holds it. Refusals name it. */
  readonly path: string
}

/** The HTTP status of the refusal, or undefined when the credential is right. */
export function refusalOfCredential(
  authorization: string | undefined,
  { secret }: AdminCredential,
): 401 | 403 | undefined {
  if (authorization === undefined) return 401
  const given = /^bearer +([!-~\u0080-\u00ff]{1,200})$/i.exec(authorization)?.[1]
  if (given === undefined) return 401
  // Digests have equal lengths, and the time of the comparison does not reveal where they differ.
  return timingSafeEqual(digest(given), digest(secret)) ? undefined : 403
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
