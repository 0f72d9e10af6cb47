/** A join token as an entry of the layout carries it, and its JSON. */

import { NODE_ID, type NodeId } from '../ids.ts'
import { fieldsOf, integerOf, listOf, matchOf, ShapeError } from './json.ts'

/** In one entry, used ones included until they expire. */
export const TOKENS_MAX = 64
export const TOKEN_USES_MAX = 256
export const TOKEN_ID = /^[0-9a-f]{16}$/

export interface TokenRecord {
  /** 8 random bytes, hex. */
  readonly id: string
  /** Verifies the token's secret (node/layout/token-codec.ts), hex. Only the token has the secret itself. */
  readonly verifier: string
  /** Wall clock. The member that admits looks at it. */
  readonly expiresMs: number
  /** Nodes that it may admit. */
  readonly uses: number
  /** Nodes that it has admitted, in this order. */
  readonly nodes: readonly NodeId[]
}

export function tokenJson({ id, verifier, expiresMs, uses, nodes }: TokenRecord): TokenRecord {
  return { id, verifier, expiresMs, uses, nodes }
}

/**
 * Throws ShapeError, also for two tokens with the same id, and for one that has admitted more nodes than it has uses.
 */
export function readTokens(value: unknown): TokenRecord[] {
  const tokens = listOf(value, TOKENS_MAX, readToken)
  if (new Set(tokens.map(({ id }) => id)).size < tokens.length) {
    throw new ShapeError('a token is there twice')
  }
  return tokens
}

function readToken(value: unknown): TokenRecord {
  const fields = fieldsOf(value, ['id', 'verifier', 'expiresMs', 'uses', 'nodes'])
  const uses = integerOf(fields.uses, 1, TOKEN_USES_MAX)
  const nodes = listOf(fields.nodes, uses, (item) => matchOf(item, NODE_ID) as NodeId)
  if (new Set(nodes).size < nodes.length) throw new ShapeError('a token admits a node once')
  return {
    id: matchOf(fields.id, TOKEN_ID),
    verifier: matchOf(fields.verifier, /^[0-9a-f]{64}$/),
    expiresMs: integerOf(fields.expiresMs, 0, Number.MAX_SAFE_INTEGER),
    uses,
    nodes,
  }
}
