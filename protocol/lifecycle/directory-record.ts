/**
 * The list of buckets with a lifecycle, in a few registers: every node finds in it what it has to do. It is a superset
 * (T2): a bucket is in it before its rules are stored, and stays for a while after they are gone.
 */

import type { RecordCodec } from '../codec/versioned.ts'
import { jsonCodec } from '../iam/record.ts'
import { fieldsOf, integerOf, listOf, matchOf, textOf } from '../layout/json.ts'

const BUCKETS_MAX = 200_000
const INCARNATION = /^[0-9a-f]{32}$/

export interface LifecycleBucket {
  readonly name: string
  /** Hex. */
  readonly incarnation: string
  /** Of a record of the bucket that whoever comes by must have read. */
  readonly generation: number
}

export interface LifecycleDirectoryRecord {
  readonly buckets: readonly LifecycleBucket[]
}

export const lifecycleDirectoryCodec: RecordCodec<LifecycleDirectoryRecord> = jsonCodec((value) => {
  const { buckets } = fieldsOf(value, ['buckets'])
  return {
    buckets: listOf(buckets, BUCKETS_MAX, (item) => {
      const fields = fieldsOf(item, ['name', 'incarnation', 'generation'])
      return {
        name: textOf(fields.name, 63),
        incarnation: matchOf(fields.incarnation, INCARNATION),
        generation: integerOf(fields.generation, 0, Number.MAX_SAFE_INTEGER),
      }
    }),
  }
})
