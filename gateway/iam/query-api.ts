/**
 * The query API of IAM and STS on the S3 port: a form posted to '/', or a GET of '/' with `Action`. The signature
 * covers the form, so the form is read before the signature is checked, but only if the key exists. Its size is
 * bounded, and its memory counts as that of a body.
 *
 *   authenticate → read the form → find the action → check the parameters → authorise → run → XML
 *
 * Few actions take a request without a signature (IamAction.unsigned); a short form is then read without one.
 *
 * A caller without the right is refused before it could find out whether the entity exists.
 */

import { utf8 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { Identity } from '../port/identity.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { fromStoreError, S3Error } from '../http/errors.ts'
import { RequestAborted } from '../http/exchange.ts'
import {
  IamError,
  type IamBackend,
  type JudgedEntity,
  type QueryRecord,
} from '../port/iam-backend.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import type { InTurns } from '../port/in-turns.ts'
import type { S3Request } from '../http/request.ts'
import type { S3Response } from '../http/response.ts'
import type { AuthResult } from '../auth/auth.ts'
import { ANONYMOUS } from '../auth/authorize.ts'
import { ABSENT_ACTIONS } from './absent.ts'
import { actionConditions } from './conditions.ts'
import type { IamAction } from './action.ts'
import { IAM_ACTIONS } from './operations.ts'
import { checkParameters } from './parameters.ts'
import { FORM_BYTES_MAX, parseForm } from './query.ts'
import { foreignThing, resourceOf } from './resource.ts'
import { queryErrorXml, resultXml, type QueryService } from './xml.ts'

/** What this API needs from the gate (query-call.ts). */
export interface QueryGate {
  readonly iam: IamBackend
  readonly nowMs: number
  readonly context: RequestContext
  readonly requestId: string
  /** Reads the whole body of the request, at most `maxBytes`. */
  readBody(request: S3Request, maxBytes: number): Promise<Uint8Array>
  /** Reads the form when it needs its hash: signatures of these services cover it, but no header tells it. */
  authenticate(request: S3Request, form: { readBody(): Promise<Uint8Array> }): Promise<AuthResult>
  /** `known`: condition values that only the action knows, by lower-case key. Throws S3Error AccessDenied. */
  authorize(
    action: string,
    resource: string,
    request: S3Request,
    auth: AuthResult,
    known: ReadonlyMap<string, readonly string[]>,
  ): void | Promise<void>
  readonly inTurns: InTurns
  conditions(request: S3Request, auth: AuthResult): ContextValues
  /** Call when the action is known, for metrics and the audit log. */
  found(action: string, form: QueryRecord): void
  /** Call with the cause of a failure, for the access log. */
  failed?(error: unknown): void
  /** Call for failures that are not the caller's. */
  log(error: unknown): void
  /** Call for answers of 503, for the counters. */
  unavailable(error: unknown): void
}

/** The content type of a form, with or without a charset. */
const FORM = /^application\/x-www-form-urlencoded[ \t]*(;|$)/i

/** Whether a request belongs to this API instead of S3: decided before it is authenticated. */
export function isQueryRequest(request: S3Request): boolean {
  if (request.bucket !== undefined) return false
  if (request.method === 'POST') return FORM.test(request.headers['content-type'] ?? '')
  return request.method === 'GET' && request.query.has('Action')
}

/**
 * Answers one request in the form of IAM and STS. Never throws: failures become answers. Until the action is known,
 * errors are in the namespace of IAM.
 */
export async function answerQuery(request: S3Request, gate: QueryGate): Promise<S3Response> {
  let service: QueryService = 'iam'
  try {
    let bytes: Promise<Uint8Array> | undefined
    const readBody = (): Promise<Uint8Array> => (bytes ??= bodyOf(request, gate))
    const auth = await gate.authenticate(request, { readBody })
    const known = auth.credential?.identity
    if (known === undefined) checkUnsigned(request)
    const identity = known ?? ANONYMOUS
    const { form, signed } = formOf(request, await readBody())
    if (known === undefined && !isUnsignedAction(form['Action'])) throw notSigned()
    const definition = actionOf(form)
    service = definition.service
    gate.found(definition.name, form)
    const parameters = checkParameters(definition.parameters, form)
    await authorize(definition, parameters, identity, gate, signed, auth)
    const result = await gate.iam.run({
      context: gate.context,
      caller: identity,
      action: definition.name,
      parameters,
      nowMs: gate.nowMs,
      inTurns: gate.inTurns,
      conditions: gate.conditions(signed, auth),
    })
    return {
      status: 200,
      headers: { 'Content-Type': 'text/xml' },
      body: resultXml(service, definition.name, result, gate.requestId),
    }
  } catch (error) {
    gate.failed?.(error)
    return queryFailure(error, service, gate)
  }
}

/**
 * What an unsigned form may have, so that little is read for a caller of whom nothing is proven: the longest token and
 * session policies, with room for how they are encoded.
 */
const UNSIGNED_FORM_BYTES_MAX = 64 * 1024

/** Before the form is read. Throws MissingAuthenticationToken where no action that needs no signature can be in it. */
function checkUnsigned(request: S3Request): void {
  const isSmall = (request.contentLength ?? Infinity) <= UNSIGNED_FORM_BYTES_MAX
  const may = request.method === 'GET' ? isUnsignedAction(request.query.get('Action')) : isSmall
  if (!may) throw notSigned()
}

function isUnsignedAction(action: unknown): boolean {
  return typeof action === 'string' && IAM_ACTIONS.get(action)?.unsigned === true
}

function notSigned(): IamError {
  return new IamError('MissingAuthenticationToken', 403, 'The request must be signed.')
}

/** The form as sent. A GET has its parameters in the query and no body. */
function bodyOf(request: S3Request, gate: QueryGate): Promise<Uint8Array> {
  if (request.method === 'GET') return Promise.resolve(new Uint8Array(0))
  return gate.readBody(request, FORM_BYTES_MAX)
}

interface Form {
  readonly form: QueryRecord
  /** The request with the plain parameters of the form in its query, where condition values are looked up. */
  readonly signed: S3Request
}

function formOf(request: S3Request, bytes: Uint8Array): Form {
  const isGet = request.method === 'GET'
  const form = parseForm(isGet ? utf8(plainQuery(request.rawQuery)) : bytes)
  const query = new Map(request.query)
  for (const [name, value] of Object.entries(form)) {
    if (typeof value === 'string') query.set(name, value)
  }
  return { form, signed: { ...request, query } }
}

/** The query without the parameters of a presigned request. */
function plainQuery(rawQuery: string): string {
  return rawQuery
    .split('&')
    .filter((pair) => !/^X-Amz-/i.test(pair))
    .join('&')
}

/** Throws MissingAction, InvalidAction, or NotImplemented for actions that only AWS has. */
function actionOf(form: QueryRecord): IamAction {
  const action = form['Action']
  if (typeof action !== 'string' || action === '') {
    throw new IamError('MissingAction', 400, 'The request must contain the parameter Action.')
  }
  const definition = IAM_ACTIONS.get(action)
  if (definition === undefined) {
    if (ABSENT_ACTIONS.includes(action)) {
      throw new IamError('NotImplemented', 501, `${action} is not implemented.`)
    }
    throw invalidAction(action)
  }
  const version = form['Version']
  if (version !== undefined && version !== VERSIONS[definition.service]) throw invalidAction(action)
  return definition
}

/** The versions of AWS's API. Clients name one in each request, or none. */
const VERSIONS: Readonly<Record<QueryService, string>> = { iam: '2010-05-08', sts: '2011-06-15' }

function invalidAction(action: string): IamError {
  const shown = action.slice(0, 100)
  return new IamError('InvalidAction', 400, `Could not find operation ${shown} for this version.`)
}

/**
 * Checks the caller's right on every resource of the action. A policy of another account is refused first, whatever
 * the caller's rights: managed policies are used only within their account. Throws AccessDenied.
 */
async function authorize(
  definition: IamAction,
  parameters: QueryRecord,
  identity: Identity,
  gate: QueryGate,
  request: S3Request,
  auth: AuthResult,
): Promise<void> {
  const foreign = foreignThing(parameters, identity)
  if (foreign !== undefined) {
    throw new IamError('AccessDenied', 403, `The ${foreign} belongs to another account.`)
  }
  if (definition.authorizedBy !== 'gate') return
  for (const rule of definition.resources) {
    let entity: JudgedEntity | undefined
    const resource = await resourceOf(rule, parameters, identity, async (...named) => {
      entity = await gate.iam.entityOf(gate.context, ...named)
      return entity.arn
    })
    if (resource === undefined) continue
    const known = actionConditions(definition.name, parameters, entity)
    await gate.authorize(definition.action, resource, request, auth, known)
  }
}

/** IAM's codes for errors that S3 names differently; others keep S3's code and status. */
const IAM_CODES: Readonly<Record<string, readonly [code: string, status: number]>> = {
  InvalidAccessKeyId: ['InvalidClientTokenId', 403],
  InvalidToken: ['InvalidClientTokenId', 403],
  ExpiredToken: ['ExpiredToken', 403],
  AuthorizationHeaderMalformed: ['IncompleteSignature', 400],
  AuthorizationQueryParametersError: ['IncompleteSignature', 400],
  SlowDown: ['ServiceUnavailable', 503],
  InternalError: ['ServiceFailure', 500],
  InsufficientStorage: ['ServiceUnavailable', 503],
}

/** The answer to a failure, as an error document of this API. */
export function queryFailure(
  error: unknown,
  service: QueryService,
  gate: Pick<QueryGate, 'requestId' | 'log' | 'unavailable'>,
): S3Response {
  const { code, status, message, headers } = failureOf(error, gate)
  if (status === 503) gate.unavailable(error)
  return {
    status,
    headers: { ...headers, 'Content-Type': 'text/xml' },
    body: queryErrorXml(service, { code, status, message }, gate.requestId),
  }
}

interface Failure {
  readonly code: string
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** What the caller is told. Errors that are not known here are logged, and their text is not shown. */
function failureOf(error: unknown, gate: Pick<QueryGate, 'log'>): Failure {
  if (error instanceof IamError) return error
  if (error instanceof StoreError && error.code === 'DataLost') gate.log(error)
  const failed = error instanceof StoreError ? fromStoreError(error) : error
  if (failed instanceof RequestAborted) {
    return { code: 'ServiceUnavailable', status: 503, message: failed.message }
  }
  if (!(failed instanceof S3Error)) {
    gate.log(error)
    return { code: 'ServiceFailure', status: 500, message: 'The request could not be processed.' }
  }
  const [code, status] = IAM_CODES[failed.code] ?? [failed.code, failed.status]
  return { code, status, message: failed.message, headers: failed.headers }
}
