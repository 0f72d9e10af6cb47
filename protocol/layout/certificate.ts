/**
 * What makes an entry binding (L1): a majority of the members of the last STABLE entry signed that
 * they accepted it, all at one ballot. The signature of an acceptor is its vote, so a certificate
 * is proof by itself and can be passed on by anyone.
 */

import { majority } from '../register/quorum.ts'
import { bytesOfHex, hex, utf8, utf8Text } from '../bytes.ts'
import type { ClusterId, NodeId } from '../ids.ts'
import type { LayoutBallot } from './ballot.ts'
import { readBallot } from './ballot.ts'
import type { DecidedEntry, LayoutEntry } from './entry.ts'
import { decodeEntry, encodeEntry, entryHash, MEMBERS_MAX, NO_HASH } from './entry.ts'
import { NODE_ID } from '../ids.ts'
import { fieldsOf, listOf, matchOf, textOf } from './json.ts'
import { transitionFault } from './transition.ts'

/** Whether `signature` is that of the node over these bytes. A node id names its public key. */
export type Verify = (signer: NodeId, bytes: Uint8Array, signature: Uint8Array) => boolean

/** What an acceptor signs when it accepts an entry. */
export function voteBytes(
  clusterId: ClusterId,
  epoch: number,
  ballot: LayoutBallot,
  hash: string,
): Uint8Array {
  return utf8(
    JSON.stringify(['shoal layout vote', clusterId, epoch, ballot.counter, ballot.nodeId, hash]),
  )
}

/**
 * The entries before the one to be judged. Both absent for the first: it is signed by the founder,
 * its only member.
 */
export interface Predecessors {
  readonly previous: LayoutEntry
  /** The last STABLE entry: `previous` itself or the one before PLANNED and JOINT. */
  readonly stable: LayoutEntry
}

/** Why the entry must not be obeyed, or undefined when it must. */
export function entryFault(
  before: Predecessors | undefined,
  { entry, certificate }: DecidedEntry,
  verify: Verify,
): string | undefined {
  const fault = before === undefined ? firstFault(entry) : transitionFault(before.previous, entry)
  return fault ?? majorityFault(votersOf(before?.stable ?? entry), { entry, certificate }, verify)
}

/**
 * As `entryFault`, of a STABLE entry some epochs later, where those in between are not known. The members of `stable`
 * have decided it, so they knew those, and each was a legal step: their signatures are all the proof that is needed
 * (L1). A node that passes entries on must leave out none that changes the members (`spineOf`).
 */
export function laterEntryFault(
  stable: LayoutEntry,
  { entry, certificate }: DecidedEntry,
  verify: Verify,
): string | undefined {
  if (entry.epoch <= stable.epoch || entry.state !== 'STABLE')
    return 'entries are missing before it'
  const { genesis } = entry
  if (entryHash({ ...stable, genesis }) !== entryHash(stable)) return 'entry of another cluster'
  return majorityFault(votersOf(stable), { entry, certificate }, verify)
}

/**
 * The entries of a chain that prove its last one: those that changed the members, the last STABLE one, and what
 * follows it.
 */
export function spineOf<T extends Pick<LayoutEntry, 'state' | 'cause'>>(chain: readonly T[]): T[] {
  const last = chain.findLastIndex(({ state }) => state === 'STABLE')
  return chain.filter(({ cause }, i) => i >= last || cause === 'founded' || cause === 'synced')
}

/** Why the certificate proves nothing. One signature that is wrong or of a node without a vote is enough for that. */
function majorityFault(
  voters: readonly NodeId[],
  { entry, certificate }: DecidedEntry,
  verify: Verify,
): string | undefined {
  const { clusterId } = entry.genesis
  const bytes = voteBytes(clusterId, entry.epoch, certificate.ballot, entryHash(entry))
  const signed = new Set<NodeId>()
  for (const { nodeId, signature } of certificate.signatures) {
    if (!voters.includes(nodeId)) return `${nodeId} has no vote in epoch ${entry.epoch}`
    if (!verify(nodeId, bytes, signature)) return `signature of ${nodeId} does not verify`
    signed.add(nodeId)
  }
  if (signed.size < majority(voters.length)) {
    return `${signed.size} of ${voters.length} signatures are no majority`
  }
  return undefined
}

/** Who decides the entries that follow a STABLE one. */
export function votersOf(stable: LayoutEntry): readonly NodeId[] {
  return stable.members.map((member) => member.nodeId)
}

/** An entry and its certificate, as JSON for messages and for the node's file. */
export function decidedJson({ entry, certificate }: DecidedEntry): unknown {
  return {
    entry: utf8Text(encodeEntry(entry)),
    ballot: { counter: certificate.ballot.counter, nodeId: certificate.ballot.nodeId },
    signatures: certificate.signatures.map(({ nodeId, signature }) => ({
      nodeId,
      signature: hex(signature),
    })),
  }
}

/** Throws ShapeError. Signatures are not verified here (`entryFault`). */
export function readDecided(value: unknown): DecidedEntry {
  const fields = fieldsOf(value, ['entry', 'ballot', 'signatures'])
  return {
    entry: decodeEntry(utf8(textOf(fields.entry, 1 << 28))),
    certificate: {
      ballot: readBallot(fields.ballot),
      signatures: listOf(fields.signatures, MEMBERS_MAX, (item) => {
        const signature = fieldsOf(item, ['nodeId', 'signature'])
        return {
          nodeId: matchOf(signature.nodeId, NODE_ID) as NodeId,
          signature: bytesOfHex(matchOf(signature.signature, /^([0-9a-f]{2}){1,256}$/)),
        }
      }),
    },
  }
}

function firstFault(entry: LayoutEntry): string | undefined {
  if (entry.epoch !== 1 || entry.previousHash !== NO_HASH) return 'the first entry is epoch 1'
  if (entry.state !== 'STABLE' || entry.members.length !== 1) return 'a cluster is founded by one'
  if (entry.tokens !== undefined && entry.tokens.length > 0)
    return "a founder's tokens have admitted no node"
  if (entry.secret !== undefined) return 'the first secret is in no entry'
  return undefined
}
