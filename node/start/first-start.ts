/**
 * What a first start checks before it writes anything, so that a mistyped port or token leaves the directory as it was.
 */

import type { Config } from '../process/config.ts'
import type { DataDirectory } from '../process/data-directory.ts'
import { readNode } from '../process/node-file.ts'
import { probeListen, type ListenAddress } from '../net/listen-probe.ts'
import type { Clock } from '../env/ports.ts'
import { MembershipError, type MembershipErrorCode } from '../layout/errors.ts'
import { messageOf } from '../net/errors.ts'
import { decodeToken } from '../layout/token-codec.ts'
import { UsageError } from '../tools/usage-error.ts'

/**
 * Does nothing unless the directory is new. Throws UsageError for a token that can't be used, and the
 * operating system's error for an address that can't be listened on. Another process may still take
 * the address before the start does.
 */
export async function checkFirstStart(config: Config, clock: Clock): Promise<void> {
  if (readNode(config.data) !== undefined) return
  if (config.join !== undefined) checkToken(config.join, clock)
  await probeListen([config.s3, config.admin, ...peerAddress(config.listen)])
}

/**
 * The cluster has refused this node, which has never been a member, so what the start has formatted is not needed. A
 * time-out is not a refusal.
 */
export function isStartRefusal(error: unknown): error is MembershipError {
  const refusals: readonly MembershipErrorCode[] = [
    'bad-token',
    'expired-token',
    'used-token',
    'other-cluster',
    'holds-data',
    'bad-change',
  ]
  return error instanceof MembershipError && refusals.includes(error.code)
}

/** Empties the directory of a start that was refused. Returns the refusal, which also says what could not be removed. */
export function emptyRefused(
  directory: Pick<DataDirectory, 'path' | 'discard'>,
  refusal: MembershipError,
): MembershipError {
  try {
    directory.discard()
    return refusal
  } catch (error) {
    const left = `${directory.path} could not be emptied again: ${messageOf(error)}`
    return new MembershipError(refusal.code, `${refusal.message}; ${left}`)
  }
}

/**
 * Throws UsageError for a text that is no token, or one that has expired by this node's clock. The
 * cluster decides again when the node joins.
 */
function checkToken(text: string, clock: Clock): void {
  try {
    const { expiresMs } = decodeToken(text)
    if (clock.nowMs() <= expiresMs) return
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  throw new UsageError('the join token has expired; make a new one with `shoal token`')
}

/** Empty for host names, which libp2p resolves. */
function peerAddress(multiaddr: string): ListenAddress[] {
  const match = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)$/.exec(multiaddr)
  return match === null ? [] : [{ host: match[1]!, port: Number(match[2]) }]
}
