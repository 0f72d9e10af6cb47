/**
 * Memory for pages of listings, used again once a page has been written as XML (docs/architecture.md, Buffers). A page of
 * 1,000 objects takes about 200 KiB. Fresh memory for each makes V8 collect garbage several times a second.
 */

import { ListedObjectPacker, type ListedObjects } from '../../gateway/port/listed-objects.ts'
import { poison } from '../tools/poison.ts'

/** Smaller pages are not worth it. */
const POOLED_OBJECTS_MIN = 250
const POOLED_BYTES_MIN = 32 << 10
/** Pages with longer texts are rare. */
const POOLED_BYTES_MAX = 512 << 10
const KEPT_MAX = 8

/** Each packer has one owner, from `take` until the page that `finish` made of it is released. */
export class PageMemory {
  readonly #free: ListedObjectPacker[] = []

  /** An empty packer. `objects` of them need no growing. */
  take(objects: number): ListedObjectPacker {
    if (objects < POOLED_OBJECTS_MIN) return new ListedObjectPacker(objects)
    return this.#free.pop() ?? new ListedObjectPacker(objects)
  }

  /** The page. The packer belongs to it from now on. */
  finish(packer: ListedObjectPacker): ListedObjects {
    const { sizeBytes } = packer
    if (sizeBytes < POOLED_BYTES_MIN || sizeBytes > POOLED_BYTES_MAX) return packer.finish()
    const page: ListedObjects = packer.finish(() => {
      poison(new Uint8Array(page.texts.buffer))
      poison(new Uint8Array(page.numbers.buffer))
      packer.clear()
      if (this.#free.length < KEPT_MAX) this.#free.push(packer)
    })
    return page
  }
}
