/** Listings of all versions of objects, with delete markers. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ListedObject } from './objects.ts'

export interface ListedVersion extends ListedObject {
  readonly isLatest: boolean
  /** Then size, ETag and storage class say nothing. */
  readonly deleteMarker: boolean
}

export interface ListVersionsRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Exclusive, unless `versionIdMarker` stands beside it: then versions of this key older than that one
   * come first. A common prefix passes over everything below it. */
  readonly keyMarker?: string | undefined
  readonly versionIdMarker?: string | undefined
  readonly limit: number
}

/** Keys in byte order, of one key the newest version first; `limit` counts versions and prefixes. */
export interface ListVersionsPage {
  readonly versions: readonly ListedVersion[]
  readonly prefixes: readonly string[]
  /** Present when there may be more. */
  readonly nextKeyMarker?: string | undefined
  /** Absent when the page ended with a common prefix. */
  readonly nextVersionIdMarker?: string | undefined
}

export interface VersionBackend {
  /** Delete markers included. */
  listVersions(context: RequestContext, request: ListVersionsRequest): Promise<ListVersionsPage>
}
