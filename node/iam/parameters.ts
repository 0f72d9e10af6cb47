/** Parameters of a call, as the table of operations has checked them (gateway/iam/operations.ts). */

import type { IamCall, QueryRecord, QueryValue } from '../../gateway/port/iam-backend.ts'
import { validationError } from './errors.ts'

/** Undefined when the parameter was not given. */
export function textParameter({ parameters }: IamCall, name: string): string | undefined {
  const value = parameters[name]
  return typeof value === 'string' ? value : undefined
}

/** Throws ValidationError. */
export function requiredText(call: IamCall, name: string): string {
  const text = textParameter(call, name)
  if (text === undefined) throw validationError(`${name} is missing.`)
  return text
}

export function integerParameter(call: IamCall, name: string): number | undefined {
  const text = textParameter(call, name)
  return text === undefined ? undefined : Number(text)
}

export function booleanOf(call: IamCall, name: string): boolean | undefined {
  const text = textParameter(call, name)
  return text === undefined ? undefined : text === 'true'
}

/** Empty when the parameter was not given. */
export function textsOf({ parameters }: IamCall, name: string): string[] {
  return listOf(parameters[name]).filter((item) => typeof item === 'string')
}

/** Empty when the parameter was not given. */
export function recordsOf({ parameters }: IamCall, name: string): QueryRecord[] {
  return listOf(parameters[name]).filter(
    (item): item is QueryRecord => typeof item === 'object' && !Array.isArray(item),
  )
}

function listOf(value: QueryValue | undefined): readonly QueryValue[] {
  return Array.isArray(value) ? (value as readonly QueryValue[]) : []
}

/**
 * The user that an action is about: the named one, or the caller. Undefined for the root. Throws ValidationError when
 * a role names no user, as in AWS.
 */
export function subjectOf(call: IamCall): string | undefined {
  const named = textParameter(call, 'UserName')
  if (named !== undefined) return named
  const { caller } = call
  if (caller.type === 'User') return caller.userName
  if (caller.isRoot) return undefined
  throw validationError('Must specify userName when calling with non-User credentials')
}
