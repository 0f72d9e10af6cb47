/**
 * One delivery to a webhook: its host is looked up, all addresses are judged, and the connection goes to the first one, so
 * that nothing can change between the look-up and the connection.
 */

import { createHmac } from 'node:crypto'
import type { IpRange } from '../../protocol/iam/ip.ts'
import type { Outgoing } from '../env/ports.ts'
import { messageOf } from '../net/errors.ts'
import { mayConnect } from './addresses.ts'

/** For the look-up, and for the request with its answer. */
const RESOLVE_TIMEOUT_MS = 5_000
const POST_TIMEOUT_MS = 10_000

/** A destination, from the configuration of the node. */
export interface Webhook {
  readonly name: string
  readonly url: string
  /** Value of the header Authorization. */
  readonly authorization?: string | undefined
  /** With it each message is signed. */
  readonly secret?: string | undefined
  /** Addresses that are not public and are allowed all the same. */
  readonly allow: readonly IpRange[]
}

/** `refused`: the webhook has answered that it does not want this message. `failed`: it is not known to work at all. */
export type Delivery =
  { readonly type: 'delivered' } | { readonly type: 'refused' | 'failed'; readonly reason: string }

/** Never rejects. */
export async function deliver(
  { outgoing }: { readonly outgoing: Outgoing },
  webhook: Webhook,
  message: Uint8Array,
): Promise<Delivery> {
  try {
    const address = await addressOf(outgoing, webhook)
    const headers = headersOf(webhook, message)
    const request = { url: webhook.url, address, headers, body: message }
    const { status } = await outgoing.post(request, { timeoutMs: POST_TIMEOUT_MS })
    if (status >= 200 && status < 300) return { type: 'delivered' }
    const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429
    return { type: isRefusal ? 'refused' : 'failed', reason: `it answers with status ${status}` }
  } catch (error) {
    return { type: 'failed', reason: messageOf(error) }
  }
}

/** Throws when one of the addresses may not be connected to: whoever answers the look-up is not to be trusted then. */
async function addressOf(outgoing: Outgoing, { url, allow }: Webhook): Promise<string> {
  const host = new URL(url).hostname.replaceAll(/[[\]]/g, '')
  const addresses = await outgoing.resolve(host, { timeoutMs: RESOLVE_TIMEOUT_MS })
  const refused = addresses.find((address) => !mayConnect(address, allow))
  if (refused !== undefined) {
    throw new Error(
      `its address ${refused} is not public, and the webhook's configuration does not allow it`,
    )
  }
  const [address] = addresses
  if (address === undefined) throw new Error(`${host} has no address`)
  return address
}

function headersOf(
  { authorization, secret }: Webhook,
  message: Uint8Array,
): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    'user-agent': 'Shoal',
    ...(authorization !== undefined && { authorization }),
    ...(secret !== undefined && {
      'x-shoal-signature-256': `sha256=${createHmac('sha256', secret).update(message).digest('hex')}`,
    }),
  }
}
