/** Listings of all versions of objects, including delete markers. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ListedObject } from './listed-objects.ts'

export interface ListedVersion extends ListedObject {
  readonly isLatest: boolean
  /** The size, ETag and storage class of a delete marker mean nothing. */
  readonly deleteMarker: boolean
}

export interface ListVersionsRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Start after this key. With `versionIdMarker`, start with the versions of this key that are older than that
   * one. After a common prefix, everything below it is skipped. */
  readonly keyMarker?: string | undefined
  readonly versionIdMarker?: string | undefined
  readonly limit: number
}

/** Keys are in byte order, versions of a key newest first; `limit` counts versions and prefixes. */
export interface ListVersionsPage {
  readonly versions: readonly ListedVersion[]
  readonly prefixes: readonly string[]
  /** Present when there may be more. */
  readonly nextKeyMarker?: string | undefined
  /** Absent when the page ends with a common prefix. */
  readonly nextVersionIdMarker?: string | undefined
}

export interface VersionBackend {
  /** Includes delete markers. */
  listVersions(context: RequestContext, request: ListVersionsRequest): Promise<ListVersionsPage>
}
