/**
 * Parameters of a call, as the table of operations has checked them (gateway/iam/operations.ts):
 * patterns, lengths and ranges hold here. These functions only give them a type.
 */

import type { IamCall, QueryRecord, QueryValue } from '../../gateway/port/iam-backend.ts'
import { validationError } from './errors.ts'

/** The text of a parameter. Undefined when it was not given. */
export function textParameter({ parameters }: IamCall, name: string): string | undefined {
  const value = parameters[name]
  return typeof value === 'string' ? value : undefined
}

/** The text of a parameter that the table requires. Throws IamError ValidationError without it. */
export function requiredText(call: IamCall, name: string): string {
  const text = textParameter(call, name)
  if (text === undefined) throw validationError(`${name} is missing.`)
  return text
}

/** A whole number within the range of the table. Undefined when it was not given. */
export function integerParameter(call: IamCall, name: string): number | undefined {
  const text = textParameter(call, name)
  return text === undefined ? undefined : Number(text)
}

/** 'true' or 'false'. Undefined when the parameter was not given. */
export function booleanOf(call: IamCall, name: string): boolean | undefined {
  const text = textParameter(call, name)
  return text === undefined ? undefined : text === 'true'
}

/** The texts of a list parameter, in order. Empty when the parameter was not given. */
export function textsOf({ parameters }: IamCall, name: string): string[] {
  return listOf(parameters[name]).filter((item) => typeof item === 'string')
}

/** The records of a list parameter such as Tags, in order. Empty when the parameter was not given. */
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
