/**
 * Failures on their way from the core to a gateway thread. Failures of the store keep class, code, text and details, those of
 * IAM class, code, status and text. Errors
 * that the thread itself threw, from a body or a callback, never travel: the thread keeps them, and the core says that it
 * failed because of them.
 */

import { assert } from '../../protocol/assert.ts'
import { OverloadedError, ReplacedError, StoreError } from '../../protocol/errors.ts'
import type { StoreErrorCode } from '../../protocol/errors.ts'
import { IamError } from '../port/iam-backend.ts'

/** The backend failed with what the thread threw. */
export const THROWN_BY_THREAD = 1
/** The backend failed with the reason of the request's signal. */
export const ABORTED = 2

export type WireError =
  | typeof THROWN_BY_THREAD
  | typeof ABORTED
  | {
      readonly type: 'store'
      readonly kind: 'plain' | 'overloaded' | 'replaced'
      readonly code: StoreErrorCode
      readonly message: string
      readonly details: Readonly<Record<string, string | number>>
    }
  | {
      readonly type: 'iam'
      readonly code: string
      readonly status: number
      readonly message: string
    }
  | {
      readonly type: 'other'
      readonly name: string
      readonly message: string
      readonly stack: string | undefined
    }

/** What the core throws into the backend where the thread threw something of its own. */
export class ThrownByThread extends Error {
  override readonly name = 'ThrownByThread'

  constructor() {
    super('the body or a callback of the request failed in the gateway thread')
  }
}

/** A fault of the store that is no StoreError: a bug. It has the name, text and stack that it had in the core. */
export class ForeignError extends Error {
  constructor(name: string, message: string, stack: string | undefined) {
    super(message)
    this.name = name
    if (stack !== undefined) this.stack = stack
  }
}

/** The reason of a signal that was aborted in the thread, as the core's backend sees it. */
export class AbortedByThread extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

export function encodeError(error: unknown): WireError {
  if (error instanceof ThrownByThread) return THROWN_BY_THREAD
  if (error instanceof AbortedByThread) return ABORTED
  if (error instanceof StoreError) {
    const { code, message, details } = error
    return { type: 'store', kind: kindOf(error), code, message, details }
  }
  if (error instanceof IamError) {
    const { code, status, message } = error
    return { type: 'iam', code, status, message }
  }
  if (error instanceof Error) {
    const { name, message, stack } = error
    return { type: 'other', name, message, stack }
  }
  return { type: 'other', name: 'Error', message: String(error), stack: undefined }
}

/** `reason`: why the request was aborted. */
export function decodeError(error: WireError, reason: unknown): unknown {
  assert(error !== THROWN_BY_THREAD, 'the thread has what it threw')
  if (error === ABORTED) return reason
  if (error.type === 'other') return new ForeignError(error.name, error.message, error.stack)
  if (error.type === 'iam') return new IamError(error.code, error.status, error.message)
  switch (error.kind) {
    case 'plain':
      return new StoreError(error.code, error.message, error.details)
    case 'overloaded':
      return new OverloadedError(error.message)
    case 'replaced':
      return new ReplacedError()
  }
}

function kindOf(error: StoreError): 'plain' | 'overloaded' | 'replaced' {
  if (error instanceof OverloadedError) return 'overloaded'
  return error instanceof ReplacedError ? 'replaced' : 'plain'
}
