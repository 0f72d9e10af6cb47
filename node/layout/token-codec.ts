/**
 * Join tokens: base64url of JSON {v, cluster, id, epoch, expiresMs, secret, addresses}.
 *
 * The secret is random and stored only in the token. The layout keeps a verifier of it (protocol/layout/tokens.ts), how
 * often the token may be used, and which nodes used it. The token only lets a node join. A member hands out the cluster
 * secret once the joiner is a member, too. A joiner never sends the token's secret: it proves that it has the secret, for
 * its own node id (which the TLS handshake proves) and its own storage id.
 *
 *   verifier = BLAKE3("shoal join verifier" ‖ secret)
 *   proof    = BLAKE3("shoal join proof" ‖ verifier ‖ node id ‖ 0x00 ‖ storage id)
 *
 * All parts except the node id have a fixed length, and BLAKE3 has no length extension. So a hash that begins with a
 * secret is a message authentication code.
 */

import { bytesOfHex, equalBytes, hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { ClusterId, NodeId } from '../../protocol/ids.ts'
import { CLUSTER_ID } from '../../protocol/layout/entry.ts'
import { NODE_ID } from '../../protocol/ids.ts'
import {
  fieldsOf,
  integerOf,
  listOf,
  matchOf,
  parseJson,
  textOf,
} from '../../protocol/layout/json.ts'
import { TOKEN_ID } from '../../protocol/layout/token-record.ts'
import { MembershipError } from './errors.ts'

const VERSION = 2
const SECRET = /^[0-9a-f]{64}$/
const TOKEN_LENGTH_MAX = 16_384

export interface JoinToken {
  readonly clusterId: ClusterId
  /** 8 random bytes, hex. */
  readonly id: string
  /** The epoch of the first layout that has the token. */
  readonly epoch: number
  readonly expiresMs: number
  /** Hex. Never sent, never logged. */
  readonly secret: string
  /** Multiaddresses that end in `/p2p/NODE`. */
  readonly addresses: readonly string[]
}

/** The part of a token that a joiner shows. */
export interface TokenClaim {
  readonly id: string
  /** A member whose layout is an earlier one does not know the token yet. */
  readonly epoch: number
}

export function encodeToken(token: JoinToken): string {
  const { clusterId: cluster, ...rest } = token
  const json = { v: VERSION, cluster, ...rest }
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}

/** Decodes a token. Throws MembershipError 'bad-token'. */
export function decodeToken(text: string): JoinToken {
  try {
    const trimmed = matchOf(text.trim(), /^[A-Za-z0-9_-]+$/)
    const json = Buffer.from(textOf(trimmed, TOKEN_LENGTH_MAX), 'base64url')
    const fields = fieldsOf(parseJson(new Uint8Array(json)), [
      'v',
      'cluster',
      'id',
      'epoch',
      'expiresMs',
      'secret',
      'addresses',
    ])
    integerOf(fields.v, VERSION, VERSION)
    return {
      clusterId: matchOf(fields.cluster, CLUSTER_ID) as ClusterId,
      ...readClaim(fields),
      expiresMs: integerOf(fields.expiresMs, 0, Number.MAX_SAFE_INTEGER),
      secret: matchOf(fields.secret, SECRET),
      addresses: listOf(fields.addresses, 64, (item) => matchOf(item, /^\/.*\/p2p\/[^/]+$/)),
    }
  } catch {
    throw new MembershipError('bad-token', 'this is not a join token, or a part of it is missing')
  }
}

export function readClaim(fields: { readonly id: unknown; readonly epoch: unknown }): TokenClaim {
  return {
    id: matchOf(fields.id, TOKEN_ID),
    epoch: integerOf(fields.epoch, 1, Number.MAX_SAFE_INTEGER),
  }
}

/**
 * The verifier of a token's secret, in hex. All nodes that may read the layout know it, and so do former members, so it
 * proves nothing.
 */
export function tokenVerifier(secret: string): string {
  return hex(blake3(utf8('shoal join verifier'), bytesOfHex(secret)))
}

/** Compares digests of both, so that the time does not show where they differ. */
export function equalSecrets(a: string, b: string): boolean {
  return equalBytes(blake3(utf8(a)), blake3(utf8(b)))
}

/** The node that a multiaddress ends in. */
export function nodeOfAddress(address: string): NodeId | undefined {
  const name = address.slice(address.lastIndexOf('/') + 1)
  return NODE_ID.test(name) ? (name as NodeId) : undefined
}

export function withNode(address: string, nodeId: NodeId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${nodeId}`
}
