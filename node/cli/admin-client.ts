/**
 * Asks a node's admin port. A failure is an error of one line that names the node.
 *
 * A request carries the credential from the node's data directory. When a command has only an address, the node answers
 * which directory it has. The command sends that directory's credential only if the directory names the same address, so
 * that another process on a port of this machine does not get it.
 */

import type { QuotaStatus } from '../../gateway/port/admin.ts'
import type { BucketQuota } from '../../gateway/port/bucket-documents.ts'
import type { LocateResult } from '../../gateway/port/locate-result.ts'
import { readFileSync } from 'node:fs'
import { request, type RequestOptions } from 'node:http'
import { request as requestOverTls } from 'node:https'
import { basename, dirname } from 'node:path'
import { ADMIN_CREDENTIAL, ADMIN_CREDENTIAL_FILE } from '../../gateway/port/admin-credential.ts'
import { isLoopbackHost } from '../../gateway/admin/loopback.ts'
import type {
  LayoutChange,
  LayoutChanged,
  LayoutPlan,
  LayoutTable,
  LossReport,
  PlannedChange,
} from '../../gateway/port/layout.ts'
import type { SecretStatus, TokenStatus } from '../../gateway/port/status.ts'
import type { LostStatus, NodeStatus, ScrubStatus } from '../../gateway/port/status.ts'
import { readAdminCertificates } from '../process/certificate-files.ts'
import { readAdminCredential } from '../process/credential-files.ts'
import { readNode } from '../process/node-file.ts'
import { UsageError } from '../tools/usage-error.ts'
import { exchanged } from './exchange.ts'
import { readTrustedFile, tlsTrust, type ReadTrusted } from './admin-trust.ts'

/** A longer answer is refused, so that a wrong server can't fill the memory. */
const ANSWER_BYTES_MAX = 64 << 20
const DEFAULT_DATA = './shoal-data'

/** How a command finds its node: `--admin URL`, else the node.json of `--data DIR`. */
export interface AdminTarget {
  /** 'http://127.0.0.1:9001', or the same without 'http://'. */
  readonly admin?: string | undefined
  /** A node's data directory. Default: ./shoal-data. */
  readonly data?: string | undefined
  /** A file with the admin credential of a node on another machine. */
  readonly credential?: string | undefined
  /** A file with certificates, by one of which the port is known that speaks TLS. Default: those in the data directory. */
  readonly adminCa?: string | undefined
}

/** Returns undefined when it is not known. Called for each request, because each start of the node draws a new one. */
type ReadCredential = () => string | undefined

/** The address of the admin port. Throws UsageError when it can't be found, saying what to give. */
export function adminUrl(options: AdminTarget): URL {
  if (options.admin !== undefined) {
    const text = options.admin.includes('://') ? options.admin : `http://${options.admin}`
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
    throw new UsageError(`--admin: '${options.admin}' is not a URL, such as http://127.0.0.1:9001`)
  }
  const data = options.data ?? DEFAULT_DATA
  const node = nodeOf(data)
  if (node === undefined) {
    throw new UsageError(
      `${data} is not the data directory of a node: give --data DIR or --admin URL`,
    )
  }
  if (node.addresses.admin === undefined) {
    throw new UsageError(`the node of ${data} has never run: start it with --data ${data}`)
  }
  // A node that listens on all addresses also listens on loopback.
  const scheme = readAdminCertificates(data) === undefined ? 'http' : 'https'
  return new URL(
    `${scheme}://${node.addresses.admin.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`,
  )
}

/**
 * A client for the node that a command's options name. Throws UsageError as `adminUrl` does, and for
 * a file without a credential.
 */
export function adminClient(options: AdminTarget): AdminClient {
  const { admin, data = DEFAULT_DATA, credential, adminCa } = options
  const url = adminUrl(options)
  const local = admin === undefined
  const readTrusted = local ? () => readAdminCertificates(data) : undefined
  const trusted = adminCa === undefined ? readTrusted : () => readTrustedFile(adminCa)
  const readLocal = local ? () => readAdminCredential(data) : undefined
  const secret = credential === undefined ? readLocal : () => readCredentialFile(credential)
  return new AdminClient(url, secret, trusted)
}

/** The node.json of a directory. Throws UsageError when the directory is another user's. */
function nodeOf(directory: string): ReturnType<typeof readNode> {
  try {
    return readNode(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    throw new UsageError(`${directory} is another user's: run this as the user who runs the node`)
  }
}

/** The credential in a file that the operator has copied here. Throws UsageError. */
function readCredentialFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`--credential: ${path} can't be read (${code ?? 'error'})`)
  }
  if (ADMIN_CREDENTIAL.test(text)) return text
  throw new UsageError(`--credential: ${path} holds no admin credential`)
}

/**
 * One node's admin API as functions. Each call is one request on a connection of its own.
 *
 * Every function throws UsageError when the command was used wrongly (no right, or a layout request
 * that makes no sense), and another Error, of one line that names the node, when the node does not
 * answer or can't do it.
 */
export class AdminClient {
  /** 'http://HOST:PORT/' or 'https://HOST:PORT/'. */
  readonly #base: URL
  readonly #timeoutMs: number
  /** Undefined until the node has named its directory. */
  #credential: ReadCredential | undefined
  readonly #trusted: ReadTrusted | undefined

  /**
   * @param credential default: that of the directory which the node names
   * @param trusted default: the authorities that Node trusts
   * @param timeoutMs how long the node may be silent
   */
  constructor(base: URL, credential?: ReadCredential, trusted?: ReadTrusted, timeoutMs = 30_000) {
    this.#base = base
    this.#credential = credential
    this.#trusted = trusted
    this.#timeoutMs = timeoutMs
  }

  /** For a node of this user whose address and directory are known. */
  static of(url: string, directory: string): AdminClient {
    return new AdminClient(
      new URL(url),
      () => readAdminCredential(directory),
      () => readAdminCertificates(directory),
    )
  }

  /** The cluster as this node knows it. The node asks the others first, which takes up to 2 seconds. */
  async status(): Promise<NodeStatus> {
    return (await this.#ask('GET', '/status')) as NodeStatus
  }

  /** What is lost for good, as all members report it. */
  async lost(): Promise<LostStatus> {
    return (await this.#ask('GET', '/lost')) as LostStatus
  }

  /** Makes a join token. The node has defaults for both options. */
  async issueToken(
    options: { readonly ttlMs?: number | undefined; readonly uses?: number | undefined } = {},
  ): Promise<string> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(options)) {
      if (value !== undefined) query.set(name, String(value))
    }
    const path = query.size === 0 ? '/token' : `/token?${query.toString()}`
    const { token } = (await this.#ask('POST', path)) as { token: string }
    return token
  }

  /** The tokens that have not expired, without their secrets. */
  async tokens(): Promise<readonly TokenStatus[]> {
    return (await this.#ask('GET', '/token')) as readonly TokenStatus[]
  }

  /** Ends a token. Throws when there is none with this id. */
  async revokeToken(id: string): Promise<void> {
    await this.#ask('DELETE', `/token?${new URLSearchParams({ id }).toString()}`)
  }

  /** Which cluster secret is in force. */
  async secret(): Promise<SecretStatus> {
    return (await this.#ask('GET', '/secret')) as SecretStatus
  }

  /**
   * Draws a new cluster secret. `overlapMs` says how long sessions of the present one stay valid;
   * without it the node takes its default.
   */
  async rotateSecret(overlapMs?: number): Promise<SecretStatus> {
    const query = overlapMs === undefined ? '' : `?overlapMs=${overlapMs}`
    return (await this.#ask('POST', `/secret/rotate${query}`)) as SecretStatus
  }

  /** Where the metadata of an object is kept. The object need not exist. */
  async locate(bucket: string, key: string): Promise<LocateResult> {
    const query = new URLSearchParams({ bucket, key })
    return (await this.#ask('GET', `/locate?${query.toString()}`)) as LocateResult
  }

  /** What a bucket holds and may hold. */
  async quota(bucket: string): Promise<QuotaStatus> {
    return (await this.#ask('GET', quotaPath(bucket))) as QuotaStatus
  }

  async setQuota(bucket: string, quota: BucketQuota): Promise<QuotaStatus> {
    return (await this.#ask('PUT', quotaPath(bucket), quota)) as QuotaStatus
  }

  async removeQuota(bucket: string): Promise<QuotaStatus> {
    return (await this.#ask('DELETE', quotaPath(bucket))) as QuotaStatus
  }

  /** Begins a scrub, or joins the one that runs. */
  async startScrub(): Promise<ScrubStatus> {
    return (await this.#ask('POST', '/scrub')) as ScrubStatus
  }

  async scrubStatus(): Promise<ScrubStatus> {
    return (await this.#ask('GET', '/scrub')) as ScrubStatus
  }

  async layout(): Promise<LayoutTable> {
    return (await this.#ask('GET', '/layout')) as LayoutTable
  }

  /** What a change would move. */
  async planChange(change: PlannedChange): Promise<LayoutPlan> {
    return (await this.#ask('POST', '/layout/plan', change)) as LayoutPlan
  }

  /** Begins a change. */
  async applyChange(change: LayoutChange): Promise<LayoutChanged> {
    return (await this.#ask('POST', '/layout/change', change)) as LayoutChanged
  }

  /** Gives up the change under way. */
  async cancelChange(): Promise<LayoutChanged> {
    return (await this.#ask('DELETE', '/layout/change')) as LayoutChanged
  }

  /** Ends PLANNED without waiting for learners. */
  async proceedChange(): Promise<LayoutChanged> {
    return (await this.#ask('POST', '/layout/proceed')) as LayoutChanged
  }

  /** What a change waits for in vain, and what accepting that would give up. */
  async lossReport(): Promise<LossReport> {
    return (await this.#ask('GET', '/layout/losses')) as LossReport
  }

  /** Gives up what the report with this id lists. */
  async acceptLoss(id: string): Promise<LossReport> {
    return (await this.#ask('POST', '/layout/losses', { id })) as LossReport
  }

  /**
   * One request, and a second one when the credential was refused and there may be a newer one.
   * Returns the parsed body of a 200.
   */
  async #ask(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    const sent = body === undefined ? undefined : JSON.stringify(body)
    let { status, text } = await this.#exchange(method, path, this.#credential?.(), sent)
    if (status === 401 || status === 403) {
      // The node was started again since, or only its address is known.
      this.#credential ??= this.#namedBy(text)
      const credential = this.#credential?.()
      if (credential !== undefined) {
        ;({ status, text } = await this.#exchange(method, path, credential, sent))
      }
    }
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw new UsageError(
        `${this.#base.host} answered ${status} without JSON: is it the admin port?`,
      )
    }
    if (status === 200) return answer
    const said = (answer as { error?: unknown } | null)?.error
    const why = `node at ${this.#base.host}: ${typeof said === 'string' ? said : status}`
    // A refusal of a layout request says what was wrong with it (400) or names no node (404): exit
    // code 2.
    const wrongly = path.startsWith('/layout') ? [400, 401, 403, 404] : [401, 403]
    throw wrongly.includes(status) ? new UsageError(why) : new Error(why)
  }

  /**
   * The credential of the directory that a refusal names. Undefined unless the node of that directory
   * has this address: otherwise another process could have the credential sent to it.
   */
  #namedBy(answer: string): ReadCredential | undefined {
    let path: unknown
    try {
      path = (JSON.parse(answer) as { credential?: unknown } | null)?.credential
    } catch {
      return undefined
    }
    if (typeof path !== 'string' || basename(path) !== ADMIN_CREDENTIAL_FILE) return undefined
    const directory = dirname(path)
    try {
      if (!isLoopbackHost(this.#base.host)) return undefined
      if (portOf(readNode(directory)?.addresses.admin) !== this.#base.port) return undefined
    } catch {
      return undefined
    }
    return () => readAdminCredential(directory)
  }

  /** One HTTP request. Rejects when no whole answer comes within the time-out. */
  async #exchange(
    method: string,
    path: string,
    credential: string | undefined,
    body: string | undefined,
  ): Promise<{ status: number; text: string }> {
    const url = new URL(path, this.#base)
    const options: RequestOptions = {
      method,
      timeout: this.#timeoutMs,
      agent: false,
      ...(credential !== undefined && { headers: { authorization: `Bearer ${credential}` } }),
    }
    const { status, bytes } = await exchanged(
      (answered) =>
        url.protocol === 'https:'
          ? requestOverTls(url, { ...options, ...tlsTrust(this.#trusted?.()) }, answered)
          : request(url, options, answered),
      body,
      ANSWER_BYTES_MAX,
      (why) => new Error(failureOf(this.#base, why)),
    )
    return { status, text: bytes.toString('utf8') }
  }
}

function quotaPath(bucket: string): string {
  return `/quota?${new URLSearchParams({ bucket }).toString()}`
}

/** What to say when no answer came. */
function failureOf({ host, protocol }: URL, why: string): string {
  if (protocol === 'https:' && /CERT|VERIFY|ISSUER/.test(why)) {
    return `the server at ${host} was asked nothing, its certificate is not known (${why}): give --admin-ca FILE`
  }
  const tls = protocol === 'http:' && why === 'ECONNRESET'
  const further = tls ? ' If its admin port speaks TLS, give its address as https://…' : ''
  return `no node answers at ${host} (${why}): is it running?${further}`
}

function portOf(address: string | undefined): string | undefined {
  return /:(\d{1,5})$/.exec(address ?? '')?.[1]
}
