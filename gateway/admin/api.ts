/**
 * The admin port: health, metrics, and requests of the command line. Loopback only (loopback.ts).
 *
 * Open, because they name no bucket, key, account or secret:
 *
 *   GET  /health/live             200 {"live":true}
 *   GET  /health/ready            200 {"ready":true} | 503 {"ready":false,"reason":"…"}
 *   GET  /metrics                 Prometheus text
 *
 * Only with the credential (admin-credential.ts):
 *
 *   GET  /status                  NodeStatus
 *   GET  /lost                    LostStatus: data that no replica has any more
 *   GET  /layout                  LayoutTable: the members, what they hold, and the change under way
 *   POST /layout/plan             body PlannedChange: LayoutPlan, what it would move; nothing changes
 *   POST /layout/change           body LayoutChange: begins a change: LayoutChanged
 *   DELETE /layout/change         cancels the change that is under way: LayoutChanged
 *   GET  /locate?bucket=B&key=K   LocateResult
 *   GET  /quota?bucket=B          QuotaStatus
 *   PUT  /quota?bucket=B          body BucketQuota: QuotaStatus
 *   DELETE /quota?bucket=B        QuotaStatus
 *   POST /token?ttlMs=N&uses=N    {"token":"…"}; by default one hour and one node
 *   GET  /token                   [TokenStatus]
 *   DELETE /token?id=ID           {"id":"…"} | 404
 *   GET  /secret                  SecretStatus
 *   POST /secret/rotate?overlapMs=N   replaces the cluster secret: SecretStatus; by default an overlap of one hour
 *   POST /scrub                   begins a scrub unless one is running: ScrubStatus
 *   GET  /scrub                   ScrubStatus of the running scrub, or else of the last one
 *
 * Failures are {"error":"…"} with 4xx or 5xx.
 *
 * With certificates the port speaks TLS only, with all routes.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import { Certificates, tlsOptionsOf, type TlsCertificate } from '../http/certificates.ts'
import { listening } from '../http/listening.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { AdminBackend } from '../port/admin.ts'
import { refusalOfCredential, type AdminCredential } from '../port/admin-credential.ts'
import { LayoutRefusal } from '../port/layout.ts'
import { CHANGE_BYTES_MAX, readChange, readLossId, readPlanned } from './layout-request.ts'
import { loopbackRefusal } from './loopback.ts'
import { readQuota } from './quota-request.ts'
import type { GatewayMetrics } from './metrics.ts'

/** Limits of join tokens and of rotations of the secret. They keep a leaked one from being useful for long. */
const TOKEN_TTL_MS = 3_600_000
const TOKEN_TTL_MS_MAX = 24 * 3_600_000
const TOKEN_USES_MAX = 256
const OVERLAP_MS = 3_600_000
const OVERLAP_MS_MAX = 36 * 3_600_000

export interface AdminOptions {
  readonly backend: AdminBackend
  readonly metrics: GatewayMetrics
  readonly credential: AdminCredential
  readonly certificates?: readonly TlsCertificate[] | undefined
  readonly logger: { error(fields: Record<string, unknown>, message: string): void }
}

/** The admin port of one node. */
export interface Admin {
  listen(address: { host: string; port: number }): Promise<{ url: string; port: number }>
  /** For new connections. Throws what Certificates throws, and then nothing changes. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void
  close(): Promise<void>
}

/** A client that has not ended its handshake by then is cut off. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** What a route answers: `json`, or `text` with its content type. `challenge` is the WWW-Authenticate header. */
interface Answer {
  readonly status: number
  readonly json?: unknown
  readonly text?: string
  readonly contentType?: string
  readonly challenge?: string
}

type Route = (
  options: AdminOptions,
  query: URLSearchParams,
  request: IncomingMessage,
) => Answer | Promise<Answer>

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['GET /health/live', () => ok({ live: true })],
  ['GET /health/ready', ready],
  ['GET /metrics', scrape],
  ['GET /status', async ({ backend }) => ok(await backend.status())],
  ['GET /lost', async ({ backend }) => ok(await backend.lost())],
  ['GET /layout', async ({ backend }) => ok(await backend.layoutTable())],
  ['POST /layout/plan', withBody((backend, body) => backend.planChange(readPlanned(body)))],
  ['POST /layout/change', withBody((backend, body) => backend.applyChange(readChange(body)))],
  ['DELETE /layout/change', async ({ backend }) => ok(await backend.cancelChange())],
  ['POST /layout/proceed', async ({ backend }) => ok(await backend.proceedChange())],
  ['GET /layout/losses', async ({ backend }) => ok(await backend.lossReport())],
  ['POST /layout/losses', withBody((backend, body) => backend.acceptLoss(readLossId(body)))],
  ['GET /locate', locate],
  ['GET /quota', quotaOf],
  ['PUT /quota', setQuota],
  ['DELETE /quota', removeQuota],
  ['POST /token', issueToken],
  ['GET /token', ({ backend }) => ok(backend.tokens())],
  ['DELETE /token', revokeToken],
  ['GET /secret', ({ backend }) => ok(backend.secret())],
  ['POST /secret/rotate', rotateSecret],
  ['POST /scrub', ({ backend }) => ok(backend.startScrub())],
  ['GET /scrub', ({ backend }) => ok(backend.scrubStatus())],
])

/** All other routes need the credential, so that a new route is closed unless it is listed here. */
const OPEN: ReadonlySet<string> = new Set(['/health/live', '/health/ready', '/metrics'])

/** All routes as 'METHOD /path'. */
export const ADMIN_ROUTES: readonly string[] = [...routes.keys()]

/** Does not listen yet: call `listen`. */
export function createAdmin(options: AdminOptions): Admin {
  const app = new Koa()
  app.silent = true
  app.use(async (context) => {
    const answer = await answerOf(options, context.req)
    context.status = answer.status
    context.set('Cache-Control', 'no-store')
    context.set('X-Content-Type-Options', 'nosniff')
    if (answer.challenge !== undefined) context.set('WWW-Authenticate', answer.challenge)
    context.type = answer.contentType ?? 'application/json; charset=utf-8'
    context.body = answer.text ?? `${JSON.stringify(answer.json)}\n`
  })
  const handle = app.callback()
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, response)
  }
  const first = options.certificates && new Certificates(options.certificates)
  let certificates = first
  const server = first
    ? createTlsServer(
        tlsOptionsOf(() => certificates ?? first, HANDSHAKE_TIMEOUT_MS),
        listener,
      )
    : createServer(listener)
  const scheme = first === undefined ? 'http' : 'https'
  return {
    async listen({ host, port }) {
      await listening(server, { host, port })
      const bound = server.address() as AddressInfo
      const shown = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
      return { url: `${scheme}://${shown}:${bound.port}`, port: bound.port }
    },
    replaceCertificates(given) {
      const next = new Certificates(given)
      if (!('setSecureContext' in server)) throw new Error('the admin port was opened without TLS')
      certificates = next
      server.setSecureContext(next.fallback)
    },
    async close() {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

/**
 * Answers one request: machine, credential, route. Never rejects. The credential is checked before the route is
 * looked up, so the paths that exist are not told without it.
 */
async function answerOf(options: AdminOptions, request: IncomingMessage): Promise<Answer> {
  const refusal = loopbackRefusal(request)
  if (refusal !== undefined) return { status: 403, json: { error: refusal } }
  const [path = '/', search = ''] = (request.url ?? '/').split('?', 2)
  if (!OPEN.has(path)) {
    const denied = denialOf(request.headers.authorization, options.credential)
    if (denied !== undefined) return denied
  }
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  const route = routes.get(`${method} ${path}`)
  if (route === undefined) {
    const other = [...routes.keys()].some((each) => each.endsWith(` ${path}`))
    return {
      status: other ? 405 : 404,
      json: { error: other ? 'this page does not have this method' : 'no such page' },
    }
  }
  try {
    return await route(options, new URLSearchParams(search), request)
  } catch (error) {
    if (error instanceof LayoutRefusal) {
      return { status: error.status, json: { error: error.message } }
    }
    if (error instanceof StoreError) {
      return { status: error.code === 'NoSuchBucket' ? 404 : 503, json: { error: error.message } }
    }
    options.logger.error({ error, path }, 'admin request failed')
    return { status: 500, json: { error: 'internal error' } }
  }
}

/** Says where the credential is. This helps those who can read the file, and is of no use to others. */
function denialOf(
  authorization: string | undefined,
  credential: AdminCredential,
): Answer | undefined {
  const status = refusalOfCredential(authorization, credential)
  if (status === undefined) return undefined
  const what = status === 401 ? 'is needed' : 'is not the one of this run of the node'
  const error = `the admin credential ${what}: it is in ${credential.path}, which the user who runs the node can read`
  return {
    status,
    json: { error, credential: credential.path },
    ...(status === 401 && { challenge: 'Bearer' }),
  }
}

function ok(json: unknown): Answer {
  return { status: 200, json }
}

/** Load balancers ask this: 503 takes the node out of rotation, with the reason in the body. */
function ready({ backend }: AdminOptions): Answer {
  const reason = backend.notReadyReason()
  if (reason === undefined) return ok({ ready: true })
  return { status: 503, json: { ready: false, reason } }
}

async function scrape({ backend, metrics }: AdminOptions): Promise<Answer> {
  const { contentType, text } = await metrics.scrape(backend.gauges())
  return { status: 200, contentType, text }
}

async function locate({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const bucket = query.get('bucket')
  const key = query.get('key')
  if (!bucket || !key) return { status: 400, json: { error: 'bucket and key are required' } }
  return ok(await backend.locate(bucket, key))
}

async function quotaOf({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const bucket = query.get('bucket')
  return bucket ? ok(await backend.quota(bucket)) : wrong('bucket is required')
}

async function setQuota(
  { backend }: AdminOptions,
  query: URLSearchParams,
  request: IncomingMessage,
): Promise<Answer> {
  const bucket = query.get('bucket')
  if (!bucket) return wrong('bucket is required')
  const body = await bodyOf(request)
  if (body === undefined) return TOO_LARGE
  const quota = readQuota(body)
  return typeof quota === 'string' ? wrong(quota) : ok(await backend.setQuota(bucket, quota))
}

async function removeQuota({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const bucket = query.get('bucket')
  return bucket ? ok(await backend.setQuota(bucket, null)) : wrong('bucket is required')
}

async function issueToken({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const ttlMs = Number(query.get('ttlMs') ?? TOKEN_TTL_MS)
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > TOKEN_TTL_MS_MAX) {
    return wrong('ttlMs must be a whole number of milliseconds, at least 1 and at most 24 hours')
  }
  const uses = Number(query.get('uses') ?? 1)
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > TOKEN_USES_MAX) {
    return wrong(`uses must be a whole number of nodes from 1 to ${TOKEN_USES_MAX}`)
  }
  return ok({ token: await backend.issueToken({ ttlMs, uses }) })
}

async function revokeToken({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const id = query.get('id') ?? ''
  if (!/^[0-9a-f]{16}$/.test(id))
    return wrong('id must be the id of a join token: 16 hexadecimal digits')
  if (await backend.revokeToken(id)) return ok({ id })
  return { status: 404, json: { error: `there is no join token ${id}` } }
}

/** Replaces the cluster secret. Sessions that the old one signed stay valid for `overlapMs`, at most 36 hours. */
async function rotateSecret({ backend }: AdminOptions, query: URLSearchParams): Promise<Answer> {
  const overlapMs = Number(query.get('overlapMs') ?? OVERLAP_MS)
  if (!Number.isSafeInteger(overlapMs) || overlapMs < 0 || overlapMs > OVERLAP_MS_MAX) {
    return wrong('overlapMs must be a whole number of milliseconds, at most 36 hours')
  }
  return ok(await backend.rotateSecret(overlapMs))
}

const TOO_LARGE: Answer = {
  status: 413,
  json: { error: `the body has more than ${CHANGE_BYTES_MAX} bytes` },
}

/** A route that reads a JSON document. What `answer` throws becomes the error (answerOf). */
function withBody(answer: (backend: AdminBackend, body: Uint8Array) => Promise<unknown>): Route {
  return async ({ backend }, _query, request) => {
    const body = await bodyOf(request)
    return body === undefined ? TOO_LARGE : ok(await answer(backend, body))
  }
}

/** Undefined when the body is too large. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length
    if (sizeBytes <= CHANGE_BYTES_MAX) chunks.push(chunk)
  }
  return sizeBytes > CHANGE_BYTES_MAX ? undefined : Buffer.concat(chunks)
}

function wrong(error: string): Answer {
  return { status: 400, json: { error } }
}
