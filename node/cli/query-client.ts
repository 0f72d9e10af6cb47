/**
 * Asks a node's query API (IAM's and Shoal's own actions on the S3 port), signed with SigV4. `shoal
 * account` and `shoal kms` use it. It has a signer of its own, because the commands must not need an AWS SDK.
 */

import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { request as requestOverTls } from 'node:https'
import { exchanged } from './exchange.ts'
import { ALGORITHM, hmacHex, signingKey, stringToSign } from '../../gateway/auth/sigv4/canonical.ts'
import { parseXml, type XmlElement } from '../../gateway/http/xml.ts'
import { readCredentials } from '../process/credential-files.ts'
import { readNode } from '../process/node-file.ts'
import type { Clock } from '../env/ports.ts'
import { UsageError } from '../tools/usage-error.ts'

/** A longer answer is refused. */
const ANSWER_BYTES_MAX = 8 << 20
const ANSWER_ELEMENTS_MAX = 1_000_000
const DEFAULT_DATA = './shoal-data'
/** The region that AWS's tools sign IAM requests for. */
const REGION = 'us-east-1'
/** The version of AWS's IAM API. */
const VERSION = '2010-05-08'

/** How a command finds the S3 port: `--s3 URL`, else the node.json of `--data DIR`. */
export interface QueryOptions {
  readonly s3?: string | undefined
  readonly data?: string | undefined
}

/** The credentials that sign a request. */
export interface QuerySigner {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** For the credentials of a session. */
  readonly sessionToken?: string | undefined
}

/** The environment variables of the process, or what a test gives. */
export type ClientEnvironment = Readonly<Record<string, string | undefined>>

/** The address of the S3 port. Throws UsageError when it can't be found, saying what to give. */
export function s3Url(options: QueryOptions): URL {
  if (options.s3 !== undefined) {
    const text = options.s3.includes('://') ? options.s3 : `http://${options.s3}`
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
    throw new UsageError(`--s3: '${options.s3}' is not a URL, such as http://127.0.0.1:9000`)
  }
  const data = options.data ?? DEFAULT_DATA
  const node = readNode(data)
  if (node === undefined) {
    throw new UsageError(`${data} is not the data directory of a node: give --data DIR or --s3 URL`)
  }
  if (node.addresses.s3 === undefined) {
    throw new UsageError(`the node of ${data} has never run: start it with --data ${data}`)
  }
  if (node.s3Tls === true) {
    throw new UsageError(
      `the S3 port of ${data} speaks TLS: give --s3 https://NAME:PORT with a name of its certificate`,
    )
  }
  return new URL(`http://${node.addresses.s3.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`)
}

/**
 * Takes the credentials of the environment, as AWS's tools do, else those in the founder's data
 * directory. Throws UsageError when there are none.
 */
export function signerOf(options: QueryOptions, environment: ClientEnvironment): QuerySigner {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID']
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY']
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, sessionToken: environment['AWS_SESSION_TOKEN'] }
  }
  const kept = readCredentials(options.data ?? DEFAULT_DATA)
  if (kept !== undefined) return kept
  throw new UsageError(
    'no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --data DIR of the node that founded the cluster',
  )
}

/** A client for one node and one signer. Each call is one request on a connection of its own. */
export class QueryClient {
  readonly #base: URL
  readonly #signer: QuerySigner
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #timeoutMs: number

  constructor(base: URL, signer: QuerySigner, clock: Pick<Clock, 'nowMs'>, timeoutMs = 30_000) {
    this.#base = base
    this.#signer = signer
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /**
   * Runs one action. Returns the …Result element of the answer, empty when the answer has none.
   * Throws an Error of one line with the code and the text of the answer, or UsageError when the
   * server is not an S3 port.
   */
  async run(action: string, parameters: Readonly<Record<string, string>>): Promise<XmlElement> {
    const form = new URLSearchParams({ Action: action, Version: VERSION, ...parameters })
    const { status, bytes } = await this.#exchange(form.toString())
    let answer: XmlElement
    try {
      answer = parseXml(bytes, { maxBytes: ANSWER_BYTES_MAX, maxElements: ANSWER_ELEMENTS_MAX })
    } catch {
      throw new UsageError(`${this.#base.host} answered ${status} without XML: is it the S3 port?`)
    }
    if (status === 200) {
      const result = childNamed(answer, `${action}Result`)
      return result ?? { name: '', children: [], text: '' }
    }
    const error = childNamed(answer, 'Error') ?? answer
    throw new Error(`${elementText(error, 'Code')}: ${elementText(error, 'Message')}`)
  }

  /** The headers of a signed request: SigV4 for the service `iam`, all headers signed. */
  #headers(body: string): Record<string, string> {
    const { accessKeyId, secretAccessKey, sessionToken } = this.#signer
    const iso = new Date(this.#clock.nowMs()).toISOString()
    const timestamp = `${iso.slice(0, 19).replace(/[-:]/g, '')}Z`
    const date = timestamp.slice(0, 8)
    const scope = `${date}/${REGION}/iam/aws4_request`
    const headers: Record<string, string> = {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      host: this.#base.host,
      'x-amz-date': timestamp,
      ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
    }
    const names = Object.keys(headers).sort()
    const lines = names.map((name) => `${name}:${headers[name] as string}\n`).join('')
    const hash = createHash('sha256').update(body).digest('hex')
    const canonical = `POST\n/\n\n${lines}\n${names.join(';')}\n${hash}`
    const key = signingKey(secretAccessKey, date, REGION, 'iam')
    const signature = hmacHex(key, stringToSign(timestamp, scope, canonical))
    return {
      ...headers,
      authorization: `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    }
  }

  /** One HTTP request. Rejects when no whole answer comes within the time-out. */
  #exchange(body: string): Promise<{ status: number; bytes: Uint8Array }> {
    const headers = { ...this.#headers(body), 'content-length': Buffer.byteLength(body) }
    const options = { method: 'POST', timeout: this.#timeoutMs, agent: false, headers }
    const send = this.#base.protocol === 'https:' ? requestOverTls : request
    const url = new URL('/', this.#base)
    return exchanged(
      (answered) => send(url, options, answered),
      body,
      ANSWER_BYTES_MAX,
      (why) => new Error(`no node answers at ${this.#base.host} (${why}): is it running?`),
    )
  }
}

export function childNamed(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name)
}

/** '' when there is no such element. */
export function elementText(element: XmlElement, name: string): string {
  return childNamed(element, name)?.text ?? ''
}
