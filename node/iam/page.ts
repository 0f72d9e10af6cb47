/** Pages of a list: MaxItems (100 by default, 1,000 at most) from behind Marker, as AWS cuts them. */

import type { IamCall } from '../../gateway/port/iam-backend.ts'
import { batchesOf } from '../tools/in-batches.ts'
import { validationError } from './errors.ts'
import { READS_AT_ONCE } from './records.ts'
import { integerParameter, textParameter } from './parameters.ts'

/** AWS's default for MaxItems. */
const ITEMS_DEFAULT = 100
const ITEMS_MAX = 1_000

/** What a call wants of a list. */
export interface PageRequest {
  /** At most this many items, 1 to 1,000. */
  readonly limit: number
  /** Where the page starts, exclusive: the name that the marker encodes. Undefined for the first page. */
  readonly after: string | undefined
}

/**
 * The page that the call asks for with MaxItems and Marker. Throws IamError ValidationError for a
 * marker that no answer contained.
 */
export function pageOf(call: IamCall): PageRequest {
  const limit = integerParameter(call, 'MaxItems') ?? ITEMS_DEFAULT
  const marker = textParameter(call, 'Marker')
  if (marker === undefined) return { limit: Math.min(limit, ITEMS_MAX), after: undefined }
  const after = Buffer.from(marker, 'base64url').toString('utf8')
  if (after === '' || markerOf(after) !== marker) {
    throw validationError('Invalid Marker.')
  }
  return { limit: Math.min(limit, ITEMS_MAX), after }
}

/** The marker with which clients ask for what comes after this name: base64url of its UTF-8. */
export function markerOf(after: string): string {
  return Buffer.from(after, 'utf8').toString('base64url')
}

export interface IamPage<T> {
  /** At most as many as the call asked for. */
  readonly items: readonly T[]
  /** What follows the list in AWS's answers. */
  readonly more: { readonly IsTruncated: boolean; readonly Marker?: string | undefined }
}

/**
 * The page of `entries`, which are ordered by `nameOf`, with no name twice. Entries for which `read`
 * returns undefined are skipped. It reads on until the page is full and one more item is found,
 * because a marker is given only when something follows.
 */
export async function readPage<Entry, T>(
  entries: readonly Entry[],
  page: PageRequest,
  nameOf: (entry: Entry) => string,
  read: (entry: Entry) => Promise<T | undefined>,
): Promise<IamPage<T>> {
  const { limit, after } = page
  const left = after === undefined ? entries : entries.filter((entry) => nameOf(entry) > after)
  const items: T[] = []
  let last = ''
  for (const some of batchesOf(left, READS_AT_ONCE)) {
    const found = await Promise.all(some.map((entry) => read(entry)))
    for (const [index, item] of found.entries()) {
      if (item === undefined) continue
      if (items.length === limit) {
        return { items, more: { IsTruncated: true, Marker: markerOf(last) } }
      }
      items.push(item)
      last = nameOf(some[index] as Entry)
    }
  }
  return { items, more: { IsTruncated: false } }
}
