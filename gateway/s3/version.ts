/**
 * Version ids in requests and answers. Their form is Shoal's own (protocol/object/version-id.ts); `null` is the null
 * version.
 */

import { isVersionId } from '../../protocol/object/version-id.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import type { ResponseHeaders } from '../http/response.ts'
import { invalidArgument } from './common.ts'

/**
 * `?versionId=…`; undefined for the current version. Throws InvalidArgument, also for an empty one: a client that
 * lost the id must not get or delete another version instead.
 */
export function requestedVersion(call: Call): string | undefined {
  const text = call.request.query.get('versionId')
  return text === undefined ? undefined : checkedVersionId(text, 'versionId')
}

/**
 * Returns the version id, or throws InvalidArgument with AWS's text when it is malformed. `argument` is the parameter
 * or header that the error names. Whether the version exists is for the store to say.
 */
export function checkedVersionId(text: string, argument: string): string {
  if (text === '') {
    throw invalidArgument(argument, text, 'Version id cannot be the empty string')
  }
  if (!isVersionId(text)) throw invalidArgument(argument, text, 'Invalid version id specified')
  return text
}

/** Answers name versions only for buckets that have or had versioning. */
export function addVersionHeader(
  headers: ResponseHeaders,
  { versioned, versionId }: { readonly versioned: boolean; readonly versionId: string },
): void {
  if (versioned) headers['x-amz-version-id'] = versionId
}

/** The right that is needed to read an object, or a version of it, as a source. */
export function readAction(versionId: string | undefined): string {
  return versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
}

/** AWS's error for a copy whose named source version is a delete marker. */
export function markerAsSource(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The source of a copy request may not specifically refer to a delete marker by version id.',
  )
}
