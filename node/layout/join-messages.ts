/**
 * The exchange of a joiner, still a stranger, with a member: `/shoal/join/1`, inside TLS, which proves both node ids. A
 * repeated request is answered by the state of that moment, so a joiner simply repeats it until it is a member.
 */

import { bytesOfHex, hex, utf8 } from '../../protocol/bytes.ts'
import type { ClusterId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/layout/entry.ts'
import { CLUSTER_ID, readMember } from '../../protocol/layout/entry.ts'
import {
  fieldsOf,
  integerOf,
  matchOf,
  oneOf,
  parseJson,
  textOf,
} from '../../protocol/layout/json.ts'
import type { MembershipErrorCode } from './errors.ts'
import type { EntriesChunk } from './messages.ts'
import { readChunk } from './messages.ts'
import type { TokenClaim } from './token-codec.ts'
import { readClaim } from './token-codec.ts'

export const JOIN_PROTOCOL = '/shoal/join/1'

/**
 * What a joiner's program can do. 1: the program does not send this field, and cannot read entries of a change that moves
 * data. 2: it can. Members refuse a joiner that could not follow the layout.
 */
export const FEATURES = 2

/** In place of a token, for a node that is known by the handshake. */
export const NO_TOKEN_ID = '0'.repeat(16)
export const NO_PROOF = '0'.repeat(64)

/** `join` asks to be admitted. `entries` asks for the layout after epoch `after`, once admitted. */
export interface JoinRequest {
  readonly kind: 'join' | 'entries'
  readonly clusterId: ClusterId
  readonly claim: TokenClaim
  /** Hex: the token's secret (token-codec.ts). */
  readonly proof: string
  /** Its node id must be the one that the handshake proved. */
  readonly member: Member
  /**
   * With `offset`, for `entries`: the epoch after which, and where in their text to go on (entry-transfer.ts). Both
   * are 0 for `join`.
   */
  readonly after: number
  readonly offset: number
  /** 1 when not set. Earlier members refuse a request that has the field. */
  readonly features?: number | undefined
  /** Node id or name of the member whose place it takes. */
  readonly replace?: string | undefined
}

/** The codes with which a joiner is refused for good. A joiner drops an answer with any other code as malformed. */
export const REFUSALS = [
  'bad-token',
  'expired-token',
  'used-token',
  'other-cluster',
  'holds-data',
  'replaced',
  'bad-change',
  'removed',
] as const satisfies readonly MembershipErrorCode[]

export type JoinReply =
  /** The joiner is a member at `epoch`. It gets the secret once that is STABLE: a change that goes back gives it to no node. */
  | {
      readonly status: 'admitted'
      readonly epoch: number
      readonly clusterSecret?: Uint8Array | undefined
    }
  | { readonly status: 'entries'; readonly chunk: EntriesChunk }
  /** The joiner should ask again: another change is under way, or no majority answers at the moment. */
  | { readonly status: 'busy'; readonly reason: string }
  /** The joiner is refused for good. */
  | {
      readonly status: 'refused'
      readonly code: (typeof REFUSALS)[number]
      readonly reason: string
    }

export const joinRequest = {
  encode: (request: JoinRequest): Uint8Array => utf8(JSON.stringify(request)),
  decode(bytes: Uint8Array): JoinRequest {
    const fields = fieldsOf(
      parseJson(bytes),
      ['kind', 'clusterId', 'claim', 'proof', 'member', 'after', 'offset'],
      ['features', 'replace'],
    )
    const { features, replace } = fields
    return {
      kind: oneOf(fields.kind, ['join', 'entries']),
      clusterId: matchOf(fields.clusterId, CLUSTER_ID) as ClusterId,
      claim: readClaim(fieldsOf(fields.claim, ['id', 'epoch'])),
      proof: matchOf(fields.proof, /^[0-9a-f]{64}$/),
      member: readMember(fields.member),
      after: integerOf(fields.after, 0, Number.MAX_SAFE_INTEGER),
      offset: integerOf(fields.offset, 0, Number.MAX_SAFE_INTEGER),
      ...(features !== undefined && { features: integerOf(features, 1, Number.MAX_SAFE_INTEGER) }),
      ...(replace !== undefined && { replace: textOf(replace, 128) }),
    }
  },
}

export const joinReply = {
  encode(reply: JoinReply): Uint8Array {
    if (reply.status !== 'admitted') return utf8(JSON.stringify(reply))
    const { clusterSecret } = reply
    const secret = clusterSecret === undefined ? undefined : hex(clusterSecret)
    return utf8(JSON.stringify({ ...reply, clusterSecret: secret }))
  },
  decode(bytes: Uint8Array): JoinReply {
    const fields = fieldsOf(
      parseJson(bytes),
      ['status'],
      ['epoch', 'clusterSecret', 'chunk', 'reason', 'code'],
    )
    const status = oneOf(fields.status, ['admitted', 'entries', 'busy', 'refused'])
    switch (status) {
      case 'admitted': {
        const secret = fields.clusterSecret
        return {
          status,
          epoch: integerOf(fields.epoch, 1, Number.MAX_SAFE_INTEGER),
          ...(secret !== undefined && {
            clusterSecret: bytesOfHex(matchOf(secret, /^([0-9a-f]{2}){16,64}$/)),
          }),
        }
      }
      case 'entries':
        return { status, chunk: readChunk(fields.chunk) }
      case 'busy':
        return { status, reason: textOf(fields.reason, 1024) }
      case 'refused':
        return {
          status,
          code: oneOf(fields.code, REFUSALS),
          reason: textOf(fields.reason, 1024),
        }
    }
  },
}
