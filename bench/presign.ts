/** Requests presigned beforehand, so that the client costs little while it measures. */

import { writeFileSync } from 'node:fs'
import { objectPath, presignUrl } from './harness/sign.ts'
import type { Credentials } from './harness/sign.ts'

export interface Replay {
  readonly method: 'GET' | 'PUT'
  readonly endpoint: string
  readonly bucket: string
  /** Replayed in this order again and again. For a listing: one empty key. */
  readonly keys: readonly string[]
  readonly query?: Readonly<Record<string, string>>
}

/**
 * Writes one line a request, `PATH?QUERY`, all of one width: keys are given with one length each. An empty
 * key means the bucket itself. 100,000 take about two seconds.
 */
export function writeReplay(file: string, credentials: Credentials, replay: Replay): void {
  const now = new Date()
  const lines = replay.keys.map((key) => {
    const path = objectPath(replay.bucket, key === '' ? undefined : key)
    const signed = presignUrl(credentials, {
      method: replay.method,
      endpoint: replay.endpoint,
      path,
      now,
      ...(replay.query === undefined ? {} : { query: replay.query }),
    })
    return `${signed.path}?${signed.query}`
  })
  if (lines.some((line) => line.length !== lines[0]?.length))
    throw new Error('keys differ in width')
  writeFileSync(file, `${lines.join('\n')}\n`)
}
