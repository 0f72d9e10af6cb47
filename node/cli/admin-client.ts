/** Asks a node's admin port. Failures are one-line UsageErrors that say which node did not answer. */

import { request } from 'node:http'
import type { LocateResult, LostStatus, NodeStatus, ScrubStatus } from '../../gateway/backend.ts'
import { readNode } from '../data-directory.ts'
import { UsageError } from '../usage-error.ts'

const ANSWER_BYTES_MAX = 64 << 20
const DEFAULT_DATA = './shoal-data'

/** How a command finds its node: `--admin URL`, else the node.json of `--data DIR`. */
export interface NodeOptions {
  readonly admin?: string | undefined
  readonly data?: string | undefined
}

export function adminUrl(options: NodeOptions): URL {
  if (options.admin !== undefined) {
    const text = options.admin.includes('://') ? options.admin : `http://${options.admin}`
    if (URL.canParse(text) && new URL(text).protocol === 'http:') return new URL(text)
    throw new UsageError(`--admin: '${options.admin}' is no URL, such as http://127.0.0.1:9001`)
  }
  const data = options.data ?? DEFAULT_DATA
  const node = readNode(data)
  if (node === undefined) {
    throw new UsageError(`${data} is no data directory of a node: give --data DIR or --admin URL`)
  }
  if (node.addresses.admin === undefined) {
    throw new UsageError(`the node of ${data} has never run: start it with --data ${data}`)
  }
  // A node that listens on all addresses is asked on this machine's own.
  return new URL(`http://${node.addresses.admin.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`)
}

export class AdminClient {
  readonly #base: URL
  readonly #timeoutMs: number

  constructor(base: URL, timeoutMs = 30_000) {
    this.#base = base
    this.#timeoutMs = timeoutMs
  }

  async status(): Promise<NodeStatus> {
    return (await this.#ask('GET', '/status')) as NodeStatus
  }

  async lost(): Promise<LostStatus> {
    return (await this.#ask('GET', '/lost')) as LostStatus
  }

  /** A join token. `ttlMs` undefined: as long as the node thinks right. */
  async issueToken(ttlMs?: number): Promise<string> {
    const query = ttlMs === undefined ? '' : `?ttlMs=${ttlMs}`
    const { token } = (await this.#ask('POST', `/token${query}`)) as { token: string }
    return token
  }

  async locate(bucket: string, key: string): Promise<LocateResult> {
    const query = new URLSearchParams({ bucket, key })
    return (await this.#ask('GET', `/locate?${query.toString()}`)) as LocateResult
  }

  /** Begins a scrub, or joins the one that runs. */
  async startScrub(): Promise<ScrubStatus> {
    return (await this.#ask('POST', '/scrub')) as ScrubStatus
  }

  async scrubStatus(): Promise<ScrubStatus> {
    return (await this.#ask('GET', '/scrub')) as ScrubStatus
  }

  layout(): Promise<unknown> {
    return this.#ask('GET', '/layout')
  }

  async #ask(method: 'GET' | 'POST', path: string): Promise<unknown> {
    const { status, text } = await this.#exchange(method, path)
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw new UsageError(
        `${this.#base.host} answered ${status} and no JSON: is it the admin port?`,
      )
    }
    if (status === 200) return answer
    const said = (answer as { error?: unknown } | null)?.error
    throw new Error(`node at ${this.#base.host}: ${typeof said === 'string' ? said : status}`)
  }

  #exchange(method: string, path: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => {
        reject(new Error(`no node answers at ${this.#base.host} (${why}): is it running?`))
      }
      const asked = request(
        new URL(path, this.#base),
        { method, timeout: this.#timeoutMs, agent: false },
        (response) => {
          const chunks: Buffer[] = []
          let sizeBytes = 0
          response.on('data', (chunk: Buffer) => {
            sizeBytes += chunk.length
            chunks.push(chunk)
            if (sizeBytes > ANSWER_BYTES_MAX) asked.destroy(new Error('an endless answer'))
          })
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            resolve({ status: response.statusCode ?? 0, text })
          })
          response.on('error', (error: NodeJS.ErrnoException) =>
            failed(error.code ?? error.message),
          )
        },
      )
      asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
      asked.on('error', (error: NodeJS.ErrnoException) => failed(error.code ?? error.message))
      asked.end()
    })
  }
}
