/**
 * Requests to others than peers, over HTTP/1.1 (env/ports.ts). It connects to the address that the caller has judged, and
 * never looks a name up between that and the connection.
 */

import { lookup } from 'node:dns/promises'
import { Agent, request as plainRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest, type RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import type { Clock, Outgoing, OutgoingRequest } from '../env/ports.ts'

/** Connections to one address that are open at a time, and how long an idle one stays. */
const SOCKETS_MAX = 16
const IDLE_MS = 10_000
/** What is read of an answer's body, so that the connection can be used again. */
const ANSWER_BYTES_MAX = 64 * 1024
const HEADER_BYTES_MAX = 16 * 1024

export class HttpOutgoing implements Outgoing {
  readonly #clock: Pick<Clock, 'after'>
  readonly #plain: Agent
  readonly #tls: TlsAgent

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
    // Connections are kept by address, port and, with TLS, the name in the certificate.
    const options = { keepAlive: true, maxSockets: SOCKETS_MAX, timeout: IDLE_MS }
    this.#plain = new Agent(options)
    this.#tls = new TlsAgent(options)
  }

  async resolve(host: string, { timeoutMs }: { timeoutMs: number }): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host]
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeoutMs, () => {
        reject(new Error(`${host} was not looked up in time`))
      })
      lookup(host, { all: true, order: 'verbatim' })
        .then((found) => resolve(found.map(({ address }) => address)), reject)
        .finally(cancel)
    })
  }

  post(
    request: OutgoingRequest,
    { timeoutMs }: { timeoutMs: number },
  ): Promise<{ status: number }> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(request)
      const cancel = this.#clock.after(timeoutMs, () => {
        sent.destroy(new Error(`no answer within ${timeoutMs} ms`))
      })
      sent.on('error', (error) => {
        cancel()
        reject(error)
      })
      sent.on('response', (answer) => {
        // The status is the whole answer: its body may take until the deadline, or never end.
        resolve({ status: answer.statusCode ?? 0 })
        drain(sent, answer)
        answer.on('close', cancel)
      })
      sent.end(request.body)
    })
  }

  close(): void {
    this.#plain.destroy()
    this.#tls.destroy()
  }

  #send({ url, address, headers, body }: OutgoingRequest): ClientRequest {
    const { protocol, hostname, port, host, pathname, search } = new URL(url)
    const isTls = protocol === 'https:'
    const name = hostname.replaceAll(/[[\]]/g, '')
    const options: RequestOptions = {
      method: 'POST',
      host: address,
      port: port === '' ? (isTls ? 443 : 80) : Number(port),
      path: pathname + search,
      headers: { ...headers, host, 'content-length': body.length },
      maxHeaderSize: HEADER_BYTES_MAX,
      agent: isTls ? this.#tls : this.#plain,
    }
    if (!isTls) return plainRequest(options)
    // A certificate for an address has no server name.
    return tlsRequest({ ...options, servername: isIP(name) === 0 ? name : '' })
  }
}

/** Reads the body to its end, so that the connection can be used again, or gives the connection up. */
function drain(sent: ClientRequest, answer: IncomingMessage): void {
  let bytes = 0
  answer.on('error', () => {})
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) sent.destroy()
  })
}
