/** Reads the quota of a bucket from JSON, strictly: a misspelt field would leave the bucket without a limit. */

import type { BucketQuota } from '../port/bucket-documents.ts'

const NAMES = ['bytes', 'objects'] as const

/** A text is what is wrong with it. */
export function readQuota(body: Uint8Array): BucketQuota | string {
  let given: unknown
  try {
    given = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return 'the body is no JSON'
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return 'the body is no object'
  }
  const fields = given as Readonly<Record<string, unknown>>
  const unknown = Object.keys(fields).find((name) => !NAMES.some((each) => each === name))
  if (unknown !== undefined) return `a quota has no '${unknown.slice(0, 40)}'`
  const quota: { bytes?: number; objects?: number } = {}
  for (const name of NAMES) {
    const value = fields[name]
    if (value === undefined) continue
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      return `${name} must be a whole number that is not negative`
    }
    quota[name] = value as number
  }
  return Object.keys(quota).length === 0 ? 'a quota limits bytes, objects, or both' : quota
}
