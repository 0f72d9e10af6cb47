/** The headers with which clients bring keys (SSE-C). */

import { createHash } from 'node:crypto'
import { customerKey, type KeyPlace } from '../../gateway/s3/customer-key.ts'
import { parsedHeaders } from './headers.ts'
import { promise, subjectText, type Subject } from './subject.ts'

const PREFIX = 'x-amz-server-side-encryption-customer-'
const BYTES = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
const PLACES: readonly KeyPlace[] = ['write', 'read']

const customerKeys: Subject = {
  name: 'keys of clients',
  pieces: /[^\n]+|[A-Za-z0-9+/]+/g,
  share: 50,
  sizeMax: 16 * 1024,
  valid(random) {
    const key = Buffer.from(subjectText(random, BYTES, 32, 32), 'latin1')
    const md5 = createHash('md5').update(key).digest('base64')
    return [
      `${PREFIX}algorithm: AES256`,
      `${PREFIX}key: ${key.toString('base64')}`,
      `${PREFIX}key-md5: ${md5}`,
    ].join('\n')
  },
  take(head, random) {
    const request = { headers: parsedHeaders(head), secure: true, remoteAddress: '192.0.2.1' }
    const place = random.pick(PLACES)
    const given = customerKey(request, place)
    if (given === undefined) return false
    promise(place === 'read' || given.key.length === 32, 'a key of another length')
    const md5 = createHash('md5').update(given.key).digest('base64')
    promise(md5 === given.md5, 'the MD5 of another key')
    return true
  },
}

export const ENCRYPTION_SUBJECTS: readonly Subject[] = [customerKeys]
