/** A client that reads an answer slowly: so many bytes, then a pause. */

import { request as httpRequest } from 'node:http'
import { objectPath, signHeaders, type Credentials } from '../../../bench/harness/sign.ts'

const STEP_BYTES = 128 << 10

export interface SlowRead {
  readonly endpoint: string
  readonly credentials: Credentials
  readonly bucket: string
  readonly key: string
  readonly bytesPerSecond: number
  /** When the first bytes are here: from now on the object may be replaced. */
  readonly onBegun: () => void
}

/** Rejects when the answer is cut short. */
export function readSlowly(read: SlowRead): Promise<{ status: number; body: Buffer }> {
  const { endpoint, credentials, bucket, key, bytesPerSecond } = read
  const path = objectPath(bucket, key)
  const headers = signHeaders(
    credentials,
    { method: 'GET', endpoint, path, now: new Date() },
    new Uint8Array(0),
  )
  const url = new URL(endpoint)
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: url.hostname, port: url.port, method: 'GET', path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        let sinceBytes = 0
        response.on('data', (chunk: Buffer) => {
          if (chunks.length === 0) read.onBegun()
          chunks.push(chunk)
          sinceBytes += chunk.length
          if (sinceBytes < STEP_BYTES) return
          response.pause()
          setTimeout(() => response.resume(), (sinceBytes / bytesPerSecond) * 1_000)
          sinceBytes = 0
        })
        response.once('error', reject)
        response.once('aborted', () => reject(new Error('an answer was cut short')))
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
        )
      },
    )
    request.once('error', reject)
    request.end()
  })
}
