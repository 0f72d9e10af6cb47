/** Version ids at HTTP: which one a request names, how an answer says it. */

import { isVersionId } from '../../protocol/object/version-id.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import type { ResponseHeaders } from '../http/response.ts'
import { invalidArgument } from './common.ts'

/** `?versionId=…`; undefined: the current version. Throws InvalidArgument. */
export function requestedVersion(call: Call): string | undefined {
  const text = call.request.query.get('versionId')
  return text === undefined ? undefined : checkedVersionId(text, 'versionId')
}

/** Throws InvalidArgument for what no version can have as its id. */
export function checkedVersionId(text: string, argument: string): string {
  if (text === '') {
    throw invalidArgument(argument, text, 'Version id cannot be the empty string')
  }
  if (!isVersionId(text)) throw invalidArgument(argument, text, 'Invalid version id specified')
  return text
}

/** Only buckets that have or had versioning show ids. */
export function addVersionHeader(
  headers: ResponseHeaders,
  { versioned, versionId }: { readonly versioned: boolean; readonly versionId: string },
): void {
  if (versioned) headers['x-amz-version-id'] = versionId
}

/** The right that reading an object, or a version of it, as a source wants. */
export function readAction(versionId: string | undefined): string {
  return versionId === undefined ? 's3:GetObject' : 's3:GetObjectVersion'
}

/** A version named as a copy's source that is a delete marker, in AWS's words. */
export function markerAsSource(): S3Error {
  return new S3Error(
    'InvalidRequest',
    'The source of a copy request may not specifically refer to a delete marker by version id.',
  )
}
