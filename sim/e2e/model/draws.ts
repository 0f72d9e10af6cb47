/** Everything that a sequence draws, from its seed alone. */

import { seededRandom } from '../../world/seeded-random.ts'
import type { Described } from './objects-model.ts'

export class Draws {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** 0 … below − 1. */
  below(below: number): number {
    return Math.floor(this.#random() * below)
  }

  chance(share: number): boolean {
    return this.#random() < share
  }

  of<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0]
  }

  /** Undefined for an empty list. */
  any<Item>(items: readonly Item[]): Item | undefined {
    return items[this.below(items.length)]
  }

  /** Often empty or tiny, sometimes above what is stored with the metadata. */
  body(): Buffer {
    const sizeBytes = this.of([0, 1, 17, 300, 300, 4096, 65_537] as const)
    const body = Buffer.alloc(sizeBytes)
    const first = this.below(256)
    for (let i = 0; i < sizeBytes; i++) body[i] = (first + i * 31) & 255
    return body
  }

  described(): Described {
    const meta: Record<string, string> = {}
    if (this.chance(0.3)) meta['colour'] = this.of(['red', 'green blue', ''])
    if (this.chance(0.1)) meta['x-y'] = String(this.below(1000))
    return {
      contentType: this.of([
        'binary/octet-stream',
        'text/plain',
        'application/json; charset=utf-8',
      ]),
      cacheControl: this.chance(0.2) ? 'max-age=60' : undefined,
      meta,
      storageClass: this.chance(0.15) ? 'STANDARD_IA' : 'STANDARD',
    }
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
