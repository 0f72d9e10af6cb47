/**
 * Under which names the use of a node's resources is counted: callers whose signature was right by who they
 * are, all others by where they come from.
 */

import { lowerCase } from '../http/ascii.ts'
import type { Identity } from '../port/identity.ts'
import { ANONYMOUS } from '../auth/authorize.ts'
import type { ShareHolder } from './shares.ts'

export interface CallerShares {
  /** Of one remote address, for what is not signed or not known to be. */
  readonly address: number
  /** Of one user, role or root. */
  readonly caller: number
}

/** All strangers together: callers who sign keep the other half. */
const STRANGERS_SHARE = 0.5
/** One account: the others keep a quarter. */
const ACCOUNT_SHARE = 0.75

/** Who has sent a head, of which nothing is known yet. */
export function newcomer(address: string, shares: CallerShares): ShareHolder[] {
  return [{ name: `new ${address}`, share: shares.address }]
}

/** Who did not sign, or makes the node wait before it can be known whether the signature is right. */
export function stranger(address: string, shares: CallerShares): ShareHolder[] {
  return [
    { name: `address ${address}`, share: shares.address },
    { name: 'strangers', share: STRANGERS_SHARE },
  ]
}

export function holdersOf(
  identity: Identity,
  address: string,
  shares: CallerShares,
): ShareHolder[] {
  if (identity === ANONYMOUS) return stranger(address, shares)
  const { accountId, principalId } = identity
  // Sessions of one role are one caller, whatever they call themselves.
  const caller = principalId.split(':')[0] ?? ''
  return [
    { name: `caller ${accountId} ${caller}`, share: shares.caller },
    { name: `account ${accountId}`, share: Math.max(ACCOUNT_SHARE, shares.caller) },
  ]
}

/** IPv6 addresses of one /64 are one caller's: that much is given to a single site. */
export function addressGroup(remoteAddress: string): string {
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
