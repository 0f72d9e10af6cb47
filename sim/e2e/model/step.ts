/** One request of a sequence, with the answer that the documentation requires. */

import { s3ErrorCode, type BenchRequest, type S3Reply } from '../../../bench/harness/s3.ts'
import type { ModelVersion } from './objects-model.ts'

export interface ModelStep {
  readonly name: string
  readonly request: BenchRequest
  readonly status: number
  /** The code of the error. Answers to HEAD have none. */
  readonly code?: string | undefined
  /** Headers of the answer; undefined: it must not be there. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: Buffer | undefined
  /** What else is wrong with the answer. Called when everything above holds. */
  check?(reply: S3Reply): string | undefined
  /** What a success changes in the model. Reads never have it. */
  apply?(reply: S3Reply): void
}

/** What differs between the answer and what must come, or undefined. */
export function differenceOf(step: ModelStep, reply: S3Reply): string | undefined {
  const code = reply.status >= 400 ? s3ErrorCode(reply) : undefined
  const isNamed = step.code !== undefined && step.request.method !== 'HEAD'
  if (reply.status !== step.status || (isNamed && code !== step.code)) {
    return `${reply.status} ${code ?? ''} instead of ${step.status} ${step.code ?? ''}: ${reply.body.toString('utf8').slice(0, 400)}`
  }
  for (const [name, wanted] of Object.entries(step.headers ?? {})) {
    const found = reply.headers[name]
    if (found !== wanted) return `${name} is ${String(found)} instead of ${String(wanted)}`
  }
  if (step.body !== undefined && !step.body.equals(reply.body)) {
    return `a body of ${reply.body.length} bytes instead of these ${step.body.length}`
  }
  return step.check?.(reply)
}

/** The headers of a version in answers to GET and HEAD. */
export function shownHeaders(
  version: ModelVersion,
  hasVersions: boolean,
): Record<string, string | undefined> {
  const { storageClass } = version
  return {
    etag: `"${version.etag}"`,
    'content-type': version.contentType,
    'cache-control': version.cacheControl,
    'x-amz-meta-colour': version.meta['colour'],
    'x-amz-meta-x-y': version.meta['x-y'],
    'x-amz-storage-class': storageClass === 'STANDARD' ? undefined : storageClass,
    'x-amz-version-id': hasVersions ? version.id : undefined,
    'x-amz-delete-marker': undefined,
  }
}

/** Undefined when both are the same as JSON. */
export function unlike(found: unknown, wanted: unknown, what: string): string | undefined {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  return a === b ? undefined : `${what}: ${a} instead of ${b}`
}
