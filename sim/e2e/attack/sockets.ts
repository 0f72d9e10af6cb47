/** Plain sockets on an S3 port: heads as text, bodies as slow as one likes. */

import { connect, type Socket } from 'node:net'
import {
  objectPath,
  queryString,
  signHeaders,
  type Credentials,
} from '../../../bench/harness/sign.ts'

export interface Head {
  readonly method: string
  readonly bucket?: string
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly contentLength?: number
}

/** The head of a request as text; without credentials an anonymous one. */
export function headOf(endpoint: string, head: Head, credentials?: Credentials): string {
  const path = objectPath(head.bucket, head.key)
  const { method, headers = {}, query = {}, contentLength } = head
  const signed =
    credentials === undefined
      ? { ...headers, host: new URL(endpoint).host }
      : signHeaders(
          credentials,
          { method, endpoint, path, query, headers, now: new Date() },
          'unsigned',
        )
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}`)
  if (contentLength !== undefined) lines.push(`content-length: ${contentLength}`)
  const search = queryString(query)
  const target = search === '' ? path : `${path}?${search}`
  return `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** An attacker's connection. Its owner counts failures by its state. */
export class Attacker {
  readonly socket: Socket
  receivedBytes = 0
  /** The first line of the first answer. */
  status = ''
  isClosed = false

  constructor(endpoint: string) {
    const { hostname, port } = new URL(endpoint)
    this.socket = connect({ host: hostname, port: Number(port) })
    this.socket.on('error', () => {})
    this.socket.on('close', () => (this.isClosed = true))
  }

  /** Counts what comes, and keeps the first line. */
  read(): this {
    this.socket.on('data', (bytes: Buffer) => {
      if (this.receivedBytes === 0) {
        this.status = bytes.toString('latin1', 0, 64).split('\r\n')[0] ?? ''
      }
      this.receivedBytes += bytes.length
    })
    return this
  }

  send(data: string | Uint8Array): void {
    if (!this.isClosed) this.socket.write(data)
  }
}

/** How many connections got which answer: `32×HTTP/1.1 503`. */
export function tally(attackers: readonly Attacker[]): string {
  const counts = new Map<string, number>()
  for (const { status, isClosed } of attackers) {
    const what = /^HTTP\/1.1 \d+/.exec(status)?.[0].slice(9) ?? (isClosed ? 'closed' : 'silent')
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return [...counts].map(([what, count]) => `${count}×${what}`).join(' ')
}
