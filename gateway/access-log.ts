/**
 * The access log: one line of JSON for each request, written when the request is over, including refused and
 * malformed ones. Failures are also logged at level `debug`, with the same fields.
 *
 * No line holds a secret (F37): only the version id is logged of the query, and only the user agent and the id of the
 * access key of the headers. Signatures, session tokens and keys of SSE-C never are.
 */

import { plainAddress } from './http/address.ts'
import type { GatewayClock } from './http/clock.ts'
import { sourceIp } from './auth/condition-values.ts'
import type { Exchange, Failed } from './http/exchange.ts'
import type { GatewayLogger } from './port/logger.ts'
import { HttpExchange } from './http/http-exchange.ts'
import type { PlainRefusal } from './http/malformed.ts'
import type { S3Request } from './http/request.ts'

export interface AccessLogOptions {
  readonly clock: GatewayClock
  /** Takes a line including its line end. Never blocks and never throws. Without it there is no access log. */
  readonly write?: ((line: string) => void) | undefined
  /** Failures are logged here at level `debug`, if present. */
  readonly logger?: GatewayLogger | undefined
}

const USER_AGENT_CHARACTERS_MAX = 256
const REASON_CHARACTERS_MAX = 512
const TARGET_CHARACTERS_MAX = 1_024
/** Details of an error that name a parameter, header or element at fault. They never hold its value. */
const NAMING_DETAILS = ['Header', 'ArgumentName', 'Parameter', 'Element', 'Condition'] as const
/** Characters that terminals and editors do not show as text, besides those that JSON escapes. */
const DECEPTIVE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Writes the line of a request once, when server.ts has finished the request. */
export class AccessLog {
  readonly #options: AccessLogOptions

  constructor(options: AccessLogOptions) {
    this.#options = options
  }

  /** `status` is the one that was sent, or 499 when the client disconnected before. */
  finished(exchange: Exchange, status: number): void {
    const { write, logger, clock } = this.#options
    const isFailure = status >= 400
    if (write === undefined && !isFailure) return
    const ms = clock.monotonicMs() - exchange.startedMs
    const time = new Date(clock.nowMs() - ms).toISOString()
    const fields = {
      id: exchange.requestId,
      ...whoAsked(exchange),
      operation: exchange.operation,
      ...whatFor(exchange),
      status,
      ...whyFailed(exchange, isFailure),
      bytesIn: exchange.receivedBytes,
      bytesOut: exchange.sentBytes,
      ms: Math.round(ms * 10) / 10,
      userAgent: userAgentOf(exchange),
    }
    write?.(lineOf({ time, ...fields }))
    if (isFailure) logger?.debug(fields, 'a request failed')
  }

  /**
   * Call for bytes that never became a request. The line has the address of the connection and the answer, and no
   * text that the client sent.
   */
  malformed(remote: string | undefined, refusal: PlainRefusal): void {
    const { write, logger, clock } = this.#options
    const time = new Date(clock.nowMs()).toISOString()
    const fields = {
      remote: remote === undefined ? undefined : plainAddress(remote),
      operation: 'Unknown',
      status: refusal.status,
      error: refusal.code,
      reason: refusal.reason.slice(0, REASON_CHARACTERS_MAX),
    }
    write?.(lineOf({ time, ...fields }))
    logger?.debug(fields, 'a connection was refused')
  }
}

/** One line of JSON. Undefined fields are left out. */
export function lineOf(fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(fields).replace(DECEPTIVE, escaped)}\n`
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * Who sent it, once that is proven: account, principal and key. Otherwise the key that the request claims, under
 * another name, so that a search for a caller does not find forgeries.
 */
function whoAsked(exchange: Exchange): Record<string, unknown> {
  const { parsed, credential } = exchange
  const remote = remoteOf(exchange)
  if (credential === undefined) return { remote, claimedAccessKeyId: claimedKey(parsed) }
  const { accessKeyId, identity } = credential
  return { remote, account: identity.accountId, caller: identity.principalArn, accessKeyId }
}

function remoteOf(exchange: Exchange): string | undefined {
  if (exchange.parsed !== undefined) return sourceIp(exchange.parsed)
  if (!(exchange instanceof HttpExchange)) return undefined
  return plainAddress(exchange.client.address) || undefined
}

/** The access key id that an unauthenticated request claims. */
function claimedKey(request: S3Request | undefined): string | undefined {
  if (request === undefined) return undefined
  const { headers, query } = request
  const header = headers['authorization']
  const claims: readonly (RegExpExecArray | null)[] = [
    / Credential=([\w.-]{1,128})\//.exec(header ?? ''),
    /^AWS ([\w.-]{1,128}):/.exec(header ?? ''),
    /^([\w.-]{1,128})\//.exec(query.get('X-Amz-Credential') ?? ''),
    /^([\w.-]{1,128})$/.exec(query.get('AWSAccessKeyId') ?? ''),
  ]
  return claims.find((claim) => claim !== null)?.[1]
}

/** Method, bucket, key and version; for a request that could not be parsed the method and the path. */
function whatFor(exchange: Exchange): Record<string, unknown> {
  const { parsed } = exchange
  if (parsed !== undefined) {
    const { method, bucket, key, query } = parsed
    return { method, bucket, key, versionId: query.get('versionId') || undefined }
  }
  if (!(exchange instanceof HttpExchange)) return {}
  const { method, url = '' } = exchange.request
  // Without the query, which may contain a signature, and without the user name of an absolute URL.
  const [path = ''] = url.split(/[?#]/, 1)
  const target = path.replace(/^([a-z]+:\/\/)[^/]*@/i, '$1').slice(0, TARGET_CHARACTERS_MAX)
  return { method, target }
}

/** Code, name at fault and reason of a failure, and what ended the request if it was ended. Empty for a success. */
function whyFailed(exchange: Exchange, isFailure: boolean): Record<string, unknown> {
  const { failure, aborted } = exchange
  if (!isFailure && aborted === undefined) return {}
  return {
    error: failure?.code,
    at: failure === undefined ? undefined : nameAtFault(failure),
    reason: failure?.reason.slice(0, REASON_CHARACTERS_MAX),
    ended: aborted,
  }
}

/** The first detail of the error that is a name. Values are never logged: they may be secrets. */
function nameAtFault({ details }: Failed): string | undefined {
  for (const name of NAMING_DETAILS) {
    const value = details?.[name]
    if (value !== undefined) return String(value).slice(0, USER_AGENT_CHARACTERS_MAX)
  }
  return undefined
}

function userAgentOf(exchange: Exchange): string | undefined {
  const agent =
    exchange.parsed?.headers['user-agent'] ??
    (exchange instanceof HttpExchange ? exchange.request.headers['user-agent'] : undefined)
  return agent?.slice(0, USER_AGENT_CHARACTERS_MAX)
}
