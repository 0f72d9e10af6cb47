/**
 * The gate that every visit of a website passes, below HTTP. Called by server.ts.
 *
 *   preflight of a browser? → answered by the bucket's CORS rules
 *   neither GET nor HEAD? → 405
 *   find the website of the bucket → redirect of all requests, or of a rule
 *     → read the object, or the index document of a folder
 *     → it cannot be read: redirect to the folder of this name, or of a rule, or the error document, or a page
 *
 * Invariants:
 *   - a visitor has the rights of a request to S3 without a signature, by the same decision, and a signature is not looked at
 *   - whatever is shown, error documents too, is read by GetObject and with its right
 *   - every failure becomes a page of HTML, here and nowhere else
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
 */

import type { IncomingMessage } from 'node:http'
import { StoreError } from '../protocol/errors.ts'
import { ANONYMOUS } from './auth/authorize.ts'
import { UNSIGNED, type AuthResult } from './auth/auth.ts'
import { GateCall, isMissing } from './gate-call.ts'
import type { Gate } from './gate.ts'
import type { Client } from './http/client.ts'
import { fromStoreError, S3Error } from './http/errors.ts'
import type { Exchange } from './http/exchange.ts'
import type { Face } from './http/face.ts'
import { errorPage, type ShownError } from './http/html.ts'
import { checkedKey, parseRequest, type S3Request } from './http/request.ts'
import { headerValue, type ResponseHeaders, type S3Response } from './http/response.ts'
import type { WebsiteSetting } from './port/bucket-documents.ts'
import { OPERATIONS } from './routes/operations.ts'
import { readWebsiteObject } from './s3/get.ts'
import { isPreflight } from './s3/cross-origin.ts'
import { folderLocation, hostRedirect, routingRule, ruleRedirect } from './s3/website-routing.ts'

/** The operations of S3 whose rights and answers visits have, and their names in logs and metrics. */
const READS = new Map(
  OPERATIONS.filter(({ name }) => name === 'GetObject' || name === 'HeadObject').map(
    (operation) => [operation.method as string, operation],
  ),
)
const METHODS = 'GET, HEAD, OPTIONS'
const ANYBODY: AuthResult = {
  credential: undefined,
  method: 'anonymous',
  payload: UNSIGNED,
  signing: undefined,
}
/** Conditions and ranges are about what was asked for, not about the page that is shown instead. */
const ABOUT_CONTENT = /^(?:if-|range$)/
const FOUND = { status: 302, code: 'Found', message: 'Resource Found', details: undefined } as const

/** One for each gateway. It keeps no state of requests. */
export class WebsiteGate implements Face {
  readonly methods = METHODS
  readonly #gate: Gate
  readonly #domains: readonly string[]

  /** `domains`: see GatewayOptions. */
  constructor(gate: Gate, domains: readonly string[]) {
    this.#gate = gate
    this.#domains = domains
  }

  parse(message: IncomingMessage, client: Client): S3Request {
    return parseRequest(message, { hostSuffixes: this.#domains, ofWebsite: true }, client)
  }

  async handle(request: S3Request, exchange: Exchange): Promise<S3Response> {
    exchange.parsed = request
    try {
      const response = await this.#run(request, exchange)
      this.#gate.addCommonHeaders(response.headers, exchange.requestId)
      Object.assign(response.headers, exchange.crossOrigin)
      return response
    } catch (error) {
      await this.#gate.options.origins.findRules(error, request, exchange)
      return this.failure(error, request, exchange)
    }
  }

  failure(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Response {
    return this.#page(this.#gate.failed(error, request, exchange), request, exchange)
  }

  /** A page of Shoal's own. See errorPage. */
  #page(
    failed: S3Error,
    request: S3Request | undefined,
    exchange: Exchange,
    document?: S3Error,
  ): S3Response {
    const { requestId } = exchange
    const headers = { ...exchange.crossOrigin, ...failed.headers, ...aboutError(failed) }
    this.#gate.addCommonHeaders(headers, requestId)
    headers['Content-Type'] = 'text/html; charset=utf-8'
    const ids = { requestId, hostId: this.#gate.options.hostId }
    const isHead = request?.method === 'HEAD'
    const body = isHead ? undefined : errorPage(failed, ids, document)
    return { status: failed.status, headers, body }
  }

  /** Throws S3Error, StoreError or what the store threw. */
  async #run(request: S3Request, exchange: Exchange): Promise<S3Response> {
    const { admission, origins, backend } = this.#gate.options
    if (isPreflight(request)) return origins.preflight(request, exchange)
    admission.identified(exchange, ANONYMOUS)
    const operation = READS.get(request.method)
    if (operation === undefined) {
      throw new S3Error('MethodNotAllowed', undefined, {
        headers: { allow: METHODS },
        details: { Method: request.method, ResourceType: 'OBJECT' },
      })
    }
    exchange.operation = request.method === 'HEAD' ? 'WebsiteHead' : 'WebsiteGet'
    const access = await backend.bucketAccess(exchange, request.bucket ?? '')
    exchange.served(access)
    await origins.applyRules(request, exchange, () => Promise.resolve(access))
    const { website } = access.settings
    if (website === undefined) throw new S3Error('NoSuchWebsiteConfiguration')
    if (website.redirectAll !== undefined) return hostRedirect(website.redirectAll, request)
    const rule = routingRule(website.rules, request.key ?? '', undefined)
    if (rule !== undefined) return ruleRedirect(rule, request)
    return this.#show(website, request, exchange)
  }

  /** The object, the index document of a folder, or what is shown instead. */
  async #show(
    website: WebsiteSetting,
    request: S3Request,
    exchange: Exchange,
  ): Promise<S3Response> {
    const { indexSuffix = '', rules, errorKey } = website
    const { key = '' } = request
    const isFolder = key === '' || key.endsWith('/')
    const wanted = forObject(request, isFolder ? checkedKey(key + indexSuffix) : key)
    const call = this.#call(wanted, exchange)
    let failed: S3Error
    try {
      await call.authorizeTarget()
      return await readWebsiteObject(call, request.method === 'GET')
    } catch (error) {
      const mayBeFolder = !isFolder && isMissing(error, 'NoSuchKey')
      if (mayBeFolder && (await this.#exists(`${key}/${indexSuffix}`, request, exchange))) {
        return this.#found(request, exchange)
      }
      failed = this.#gate.failed(await call.shownFailure(error), wanted, exchange)
    }
    if (exchange.aborted !== undefined) return this.#page(failed, wanted, exchange)
    const rule = routingRule(rules, key, failed.status)
    if (rule !== undefined) return ruleRedirect(rule, request)
    if (errorKey === undefined || failed.status >= 500) return this.#page(failed, wanted, exchange)
    return this.#errorDocument(errorKey, failed, request, exchange)
  }

  /** A visitor without the right to the index document is not told that it is there. */
  async #exists(key: string, request: S3Request, exchange: Exchange): Promise<boolean> {
    try {
      const asked = plainly({ ...forObject(request, checkedKey(key)), method: 'HEAD' })
      const call = this.#call(asked, exchange)
      await call.authorizeTarget()
      await readWebsiteObject(call, false)
      return true
    } catch (error) {
      const failed = error instanceof StoreError ? fromStoreError(error) : error
      if (failed instanceof S3Error && failed.status < 500) return false
      throw error
    }
  }

  /** To the folder of the name that was asked for. */
  #found(request: S3Request, exchange: Exchange): S3Response {
    const { requestId } = exchange
    const headers: ResponseHeaders = { ...aboutError(FOUND), Location: folderLocation(request) }
    const ids = { requestId, hostId: this.#gate.options.hostId }
    if (request.method === 'HEAD') return { status: 302, headers }
    headers['Content-Type'] = 'text/html; charset=utf-8'
    return { status: 302, headers, body: errorPage(FOUND, ids) }
  }

  /** The website's own page for errors, with the status of the error. */
  async #errorDocument(
    key: string,
    failed: S3Error,
    request: S3Request,
    exchange: Exchange,
  ): Promise<S3Response> {
    const asked = plainly(forObject(request, key))
    const call = this.#call(asked, exchange)
    let shown: S3Response
    try {
      await call.authorizeTarget()
      shown = await readWebsiteObject(call, request.method === 'GET')
    } catch (error) {
      const document = this.#gate.failed(await call.shownFailure(error), asked, exchange)
      return this.#page(failed, request, exchange, document)
    }
    if (shown.status !== 200) return shown
    const headers = { ...shown.headers, ...failed.headers, ...aboutError(failed) }
    return { ...shown, status: failed.status, headers }
  }

  #call(asked: S3Request, exchange: Exchange): GateCall {
    const operation = READS.get(asked.method)!
    const { options } = this.#gate
    return new GateCall(
      operation,
      asked,
      ANYBODY,
      ANONYMOUS,
      exchange,
      options,
      options.clock.nowMs(),
    )
  }
}

/** A visit as a request for one object. Names of S3's own mean nothing here, as in AWS. */
function forObject(request: S3Request, key: string): S3Request {
  const headers: Record<string, string | undefined> = Object.create(null)
  for (const name in request.headers) {
    if (!name.startsWith('x-amz-')) headers[name] = request.headers[name]
  }
  return { ...request, key, headers, sentHeaders: headers, amzNames: [] }
}

/** Without conditions and ranges. */
function plainly(request: S3Request): S3Request {
  const headers: Record<string, string | undefined> = Object.create(null)
  for (const name in request.headers) {
    if (!ABOUT_CONTENT.test(name)) headers[name] = request.headers[name]
  }
  return { ...request, headers, sentHeaders: headers }
}

/** Headers that tell the error also where its page is not shown, as in AWS. */
function aboutError({ code, message, details }: ShownError): ResponseHeaders {
  const headers: ResponseHeaders = { 'x-amz-error-code': code }
  const text = headerValue(message)
  if (text !== undefined) headers['x-amz-error-message'] = text
  const key = details?.['Key'] === undefined ? undefined : headerValue(String(details['Key']))
  if (key !== undefined) headers['x-amz-error-detail-Key'] = key
  return headers
}
