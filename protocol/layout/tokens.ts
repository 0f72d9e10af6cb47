/**
 * Join tokens as the layout keeps them: how many nodes they may still admit, and which they have admitted. They are
 * part of the decided entries, so a token is redeemed once in the whole cluster, also when two members see it at the
 * same moment.
 *
 * Invariants, from one entry to the next:
 *   - a new token has admitted no node, and only joins change it
 *   - a join enters each new member in a token that existed, and no token has more nodes than uses
 *   - a node may come again with the token that admitted it: the answer was lost, or the change was abandoned
 */

import { assert } from '../assert.ts'
import type { NodeId } from '../ids.ts'
import type { LayoutEntry } from './entry.ts'
import { tokenJson, type TokenRecord } from './token-record.ts'

/** A joiner and the token that it showed. */
export interface Redemption {
  readonly nodeId: NodeId
  readonly tokenId: string
}

/** Whether the token lets this node in, without regard to its expiry. */
export function admits({ nodes, uses }: TokenRecord, nodeId: NodeId): boolean {
  return nodes.includes(nodeId) || nodes.length < uses
}

/** The tokens with the node entered; undefined when there is no such token or it is used up. */
export function redeemed(
  tokens: readonly TokenRecord[],
  { nodeId, tokenId }: Redemption,
): readonly TokenRecord[] | undefined {
  const token = tokens.find(({ id }) => id === tokenId)
  if (token === undefined || !admits(token, nodeId)) return undefined
  if (token.nodes.includes(nodeId)) return tokens
  const nodes = [...token.nodes, nodeId]
  assert(nodes.length <= token.uses, 'no token admits more nodes than it has uses')
  return tokens.map((each) => (each === token ? { ...each, nodes } : each))
}

/** Why these tokens can't follow those in an entry that issues or revokes; undefined when they can. */
export function issueFault(
  before: readonly TokenRecord[],
  after: readonly TokenRecord[],
): string | undefined {
  for (const token of after) {
    const known = before.find(({ id }) => id === token.id)
    if (known === undefined && token.nodes.length > 0) return 'a new token has admitted no node yet'
    if (known !== undefined && !same(known, token)) return 'a token does not change'
  }
  return undefined
}

/** Why these tokens can't follow those in an entry that lets the members of `next` in. A node that
 * `previous` let in already, as a learner, needs no token again: its token may have been revoked since. */
export function redemptionFault(previous: LayoutEntry, entry: LayoutEntry): string | undefined {
  const [before, after] = [previous.tokens, entry.tokens]
  // The founder's program knew no such tokens, and none was issued since.
  if (before === undefined) return after === undefined ? undefined : 'a join issues no token'
  if (after?.length !== before.length) return 'a join neither issues nor revokes tokens'
  const joiners = new Set((entry.next ?? []).map(({ nodeId }) => nodeId))
  for (const { nodeId } of previous.members) joiners.delete(nodeId)
  const entered = new Set<NodeId>()
  for (const [i, token] of after.entries()) {
    const known = before[i]!
    if (!same({ ...known, nodes: token.nodes }, token)) return 'a token does not change'
    if (known.nodes.some((node, at) => token.nodes[at] !== node))
      return 'a token keeps all nodes that it has admitted'
    if (token.nodes.length > token.uses) return 'a token is used up'
    const fresh = token.nodes.slice(known.nodes.length)
    if (fresh.some((node) => !joiners.has(node))) return 'a token admits only nodes that join'
    for (const node of token.nodes) entered.add(node)
  }
  for (const { nodeId, storageId } of previous.next ?? []) {
    const again = entry.next?.find((member) => member.nodeId === nodeId)
    if (again?.storageId === storageId) entered.add(nodeId)
  }
  const stranger = [...joiners].find((node) => !entered.has(node))
  return stranger === undefined ? undefined : `${stranger} has no token`
}

function same(a: TokenRecord, b: TokenRecord): boolean {
  return JSON.stringify(tokenJson(a)) === JSON.stringify(tokenJson(b))
}
