/**
 * The names under which the use of a node's resources is counted: callers with a valid signature by their identity,
 * all others by their address.
 */

import { lowerCase } from '../http/ascii.ts'
import { remembering } from '../http/remembered.ts'
import type { Identity } from '../port/identity.ts'
import { ANONYMOUS } from '../auth/authorize.ts'
import type { ShareHolder } from './shares.ts'

/** The largest parts of a resource that one holder may use, 0 to 1. */
export interface CallerShares {
  /** The share of one remote address, for requests without a verified signature. */
  readonly address: number
  /** The share of one user, role or root. */
  readonly caller: number
}

/** The share of all requests without a verified signature together. The other half is for signed requests. */
const STRANGERS_SHARE = 0.5
/** The share of one account. A quarter is left for the others. */
const ACCOUNT_SHARE = 0.75

/** The sender of a head that has not been looked at yet. */
export function newcomer(address: string, shares: CallerShares): ShareHolder[] {
  return [{ name: `new ${address}`, share: shares.address }]
}

/** The sender of a request that is not signed, or whose signature can be verified only after its body. */
export function stranger(address: string, shares: CallerShares): ShareHolder[] {
  return [
    { name: `address ${address}`, share: shares.address },
    { name: 'strangers', share: STRANGERS_SHARE },
  ]
}

/** The sender of a request with a valid signature. */
export function holdersOf(
  identity: Identity,
  address: string,
  shares: CallerShares,
): ShareHolder[] {
  if (identity === ANONYMOUS) return stranger(address, shares)
  const { accountId, principalId } = identity
  // All sessions of a role are one caller, whatever their session names.
  const caller = principalId.split(':')[0] ?? ''
  return [
    { name: `caller ${accountId} ${caller}`, share: shares.caller },
    { name: `account ${accountId}`, share: Math.max(ACCOUNT_SHARE, shares.caller) },
  ]
}

/**
 * IPv6 addresses of one /64 count as one, because a single site usually gets that many. Kept, since every request asks
 * for the group of its connection.
 */
export const addressGroup = remembering(4096, groupOf)

function groupOf(remoteAddress: string): string {
  const address = lowerCase(remoteAddress.split('%')[0] ?? '')
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [before = '', after] = address.split('::')
  const head = before === '' ? [] : before.split(':')
  if (after !== undefined) {
    const tail = after === '' ? 0 : after.split(':').length
    while (head.length < 4 && head.length + tail < 8) head.push('0')
    head.push(...after.split(':'))
  }
  const groups = head.slice(0, 4).map((each) => Number(`0x${each}`).toString(16))
  return `${groups.join(':')}::/64`
}
