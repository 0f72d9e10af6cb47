/** What a sequence draws besides numbers: bodies, and what a client says of an object. */

import type { SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import type { Described } from './objects-model.ts'

/** One of the list, or undefined when there is none. */
export function pickAny<Item>(random: SmallRandom, items: readonly Item[]): Item | undefined {
  return items.length === 0 ? undefined : random.pick(items)
}

/** Often empty or tiny, sometimes above what is stored with the metadata. */
export function drawBody(random: SmallRandom): Buffer {
  const sizeBytes = random.pick([0, 1, 17, 300, 300, 4096, 65_537])
  const body = Buffer.alloc(sizeBytes)
  const first = random.below(256)
  for (let i = 0; i < sizeBytes; i++) body[i] = (first + i * 31) & 255
  return body
}

export function drawDescribed(random: SmallRandom): Described {
  const meta: Record<string, string> = {}
  if (random.chance(0.3)) meta['colour'] = random.pick(['red', 'green blue', ''])
  if (random.chance(0.1)) meta['x-y'] = String(random.below(1000))
  return {
    contentType: random.pick([
      'binary/octet-stream',
      'text/plain',
      'application/json; charset=utf-8',
    ]),
    cacheControl: random.chance(0.2) ? 'max-age=60' : undefined,
    meta,
    storageClass: random.chance(0.15) ? 'STANDARD_IA' : 'STANDARD',
  }
}

/** As headers of a request. */
export function describing(described: Described): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': described.contentType }
  if (described.cacheControl !== undefined) headers['cache-control'] = described.cacheControl
  for (const [name, value] of Object.entries(described.meta)) headers[`x-amz-meta-${name}`] = value
  if (described.storageClass !== 'STANDARD') {
    headers['x-amz-storage-class'] = described.storageClass
  }
  return headers
}
