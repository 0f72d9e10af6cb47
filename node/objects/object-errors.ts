/** What a condition of a write says when it is not met. */

import { StoreError } from '../../protocol/errors.ts'
import type { verdict } from '../../protocol/object/object.ts'

/** 404 where there is no object to match, 412 otherwise. */
export function conditionError(outcome: ReturnType<typeof verdict>): StoreError {
  return outcome === 'absent'
    ? new StoreError('NoSuchKey')
    : new StoreError('PreconditionFailed', undefined, { Condition: 'If-Match' })
}
