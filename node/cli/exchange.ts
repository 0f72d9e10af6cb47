/** One HTTP request of a command, and its whole answer. */

import type { ClientRequest, IncomingMessage } from 'node:http'

/**
 * Sends the body and gathers the answer.
 *
 * @param ask makes the request
 * @param bytesMax of the answer's body
 * @param failure what to throw when no whole answer comes in the time of the request, or one that is too long. `why`: the code
 *   of the connection's error, or its text
 */
export function exchanged(
  ask: (answered: (response: IncomingMessage) => void) => ClientRequest,
  body: string | undefined,
  bytesMax: number,
  failure: (why: string) => Error,
): Promise<{ status: number; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const failed = ({ code, message }: NodeJS.ErrnoException): void => {
      reject(failure(code ?? message))
    }
    const asked = ask((response) => {
      const chunks: Buffer[] = []
      let sizeBytes = 0
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length
        chunks.push(chunk)
        if (sizeBytes > bytesMax) asked.destroy(new Error('the answer is too long'))
      })
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) })
      })
      response.on('error', failed)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.on('error', failed)
    asked.end(body)
  })
}
