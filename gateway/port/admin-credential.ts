/**
 * Who may use the admin port: everything but health and metrics needs the credential of this run of the node,
 * which only its data directory's owner can read (F36).
 *
 * The credential is drawn anew at each start. A program that takes the port while the node is stopped, and is sent
 * the credential by a command, has learned nothing that the next run accepts.
 */

import { createHash, timingSafeEqual } from 'node:crypto'

export const ADMIN_CREDENTIAL_FILE = 'admin-credential'
/** 256 random bits, hex. */
export const ADMIN_CREDENTIAL = /^[0-9a-f]{64}$/

export interface AdminCredential {
  readonly secret: string
  /** The file that holds it, for those whom a refusal tells where to look. */
  readonly path: string
}

/** 401 and 403 of HTTP; undefined: let in. */
export function refusalOfCredential(
  authorization: string | undefined,
  { secret }: AdminCredential,
): 401 | 403 | undefined {
  if (authorization === undefined) return 401
  const given = /^bearer +([!-~\u0080-\u00ff]{1,200})$/i.exec(authorization)?.[1]
  if (given === undefined) return 401
  // Digests have one length, and the time taken does not tell where they differ.
  return timingSafeEqual(digest(given), digest(secret)) ? undefined : 403
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
