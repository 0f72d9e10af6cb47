/** Bodies that announce much and send little, and bodies that are hard to read. */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { pauseMs } from '../../../bench/harness/process.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'
import { Attacker, headOf, tally, type Head } from './sockets.ts'

const ANNOUNCED_BYTES = 8 << 20

/** Many connections, each of which sends its head, and then a few bytes a second. */
export async function slowly(
  endpoint: string,
  heads: readonly string[],
  forMs: number,
): Promise<string> {
  const attackers = heads.map((head) => {
    const attacker = new Attacker(endpoint).read()
    attacker.send(head)
    return attacker
  })
  for (let passedMs = 0; passedMs < forMs; passedMs += 500) {
    for (const attacker of attackers) attacker.send('<a/>'.repeat(200))
    await pauseMs(500)
  }
  for (const { socket } of attackers) socket.destroy()
  return tally(attackers)
}

/** Memory of 32 large bodies, and of small ones, which take what the large ones leave. */
const SIZES = [...Array<number>(32).fill(ANNOUNCED_BYTES), ...Array<number>(140).fill(64 << 10)]

/** Without a signature, for a bucket that a policy opens to reading. */
export function slowAnonymous(endpoint: string, bucket: string, forMs: number): Promise<string> {
  const heads = SIZES.map((sizeBytes) => deletion(endpoint, bucket, sizeBytes))
  return slowly(endpoint, heads, forMs)
}

/** As many by a user, who may. */
export function slowSigned(
  endpoint: string,
  bucket: string,
  user: Credentials,
  forMs: number,
): Promise<string> {
  const heads = SIZES.map((sizeBytes) => deletion(endpoint, bucket, sizeBytes, user))
  return slowly(endpoint, heads, forMs)
}

/** Forms for IAM with a key id that exists and a wrong signature: it is known to be wrong at their end only. */
export function slowForms(endpoint: string, accessKeyId: string, forMs: number): Promise<string> {
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${now.slice(0, 8)}/us-east-1/iam/aws4_request`
  const head = headOf(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-amz-date': now,
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`,
    },
    contentLength: 256 << 10,
  })
  return slowly(endpoint, Array<string>(1_100).fill(head), forMs)
}

/** Eight at once: 8 MiB of empty elements, where a list of objects is wanted. */
export async function emptyElements(
  endpoint: string,
  bucket: string,
  user: Credentials | undefined,
): Promise<string> {
  const body = Buffer.from('<a/>'.repeat(ANNOUNCED_BYTES / 4))
  const md5 = createHash('md5').update(body).digest('base64')
  const attackers = Array.from({ length: 8 }, () => {
    const attacker = new Attacker(endpoint).read()
    attacker.send(deletion(endpoint, bucket, body.length, user, { 'content-md5': md5 }))
    attacker.send(body)
    return attacker
  })
  await Promise.all(
    attackers.map(async ({ socket }) => {
      if (!socket.destroyed) await Promise.race([once(socket, 'data'), once(socket, 'close')])
    }),
  )
  for (const { socket } of attackers) socket.destroy()
  return tally(attackers)
}

function deletion(
  endpoint: string,
  bucket: string,
  contentLength: number,
  user?: Credentials,
  headers: Head['headers'] = {},
): string {
  const head: Head = { method: 'POST', bucket, query: { delete: '' }, headers, contentLength }
  return headOf(endpoint, head, user)
}
