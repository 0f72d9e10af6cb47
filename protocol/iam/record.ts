/**
 * Bodies of the registers of identities:
 *
 *   version (1 byte) ‖ JSON in UTF-8
 *
 * Unknown versions and unknown fields are refused, never misread (F20). This file has what several kinds of record
 * have in common; each kind has a file of its own.
 */

import { utf8 } from '../bytes.ts'
import { RecordVersionError, type RecordCodec } from '../codec/versioned.ts'
import {
  fieldsOf,
  integerOf,
  listOf,
  matchOf,
  parseJson,
  ShapeError,
  textOf,
} from '../layout/json.ts'
import { POLICY_ARN, POLICY_NAME, UNIQUE_ID } from './identity.ts'
import { POLICY_CHARACTERS_MAX } from './policy.ts'
import type { ResolvedPrincipal } from './principal.ts'

const VERSION = 1
const INLINE_MAX = 256
const ATTACHED_MAX = 20
const TAGS_MAX = 50
/** As many as the longest policy can name. */
const RESOLVED_MAX = 1_000
const ARN_CHARACTERS_MAX = 2_048
/** Unique id of a user or role, or of a role's session. */
const PRINCIPAL_ID = /^[A-Z]{4}[A-Z0-9]{16,17}(?::[\w+=,.@-]{1,128})?$/
/** Random, 8 bytes in hex: tells several grants of the same thing apart. */
const TOKEN = /^[0-9a-f]{16}$/

/** A policy that is part of its holder's record. */
export interface NamedPolicy {
  readonly name: string
  /** JSON, as the user gave it. policy.ts parses it. */
  readonly text: string
}

/**
 * A managed policy that a user, group or role holds. The id tells it from a new policy under the ARN of a deleted
 * one.
 */
export interface AttachedPolicy {
  readonly arn: string
  readonly id: string
  readonly token: string
}

/** A reference to something else, by its unique id. */
export interface Reference {
  readonly id: string
  readonly token: string
}

export interface IamTag {
  readonly key: string
  readonly value: string
}

/** `read` gets what JSON.parse made of the body, and throws ShapeError. */
export function jsonCodec<T>(read: (value: unknown) => T): RecordCodec<T> {
  return {
    encode(record) {
      const body = utf8(JSON.stringify(record))
      const bytes = new Uint8Array(body.length + 1)
      bytes[0] = VERSION
      bytes.set(body, 1)
      return bytes
    },
    decode(bytes) {
      if (bytes[0] !== VERSION) {
        throw new RecordVersionError(`record of version ${bytes[0] ?? 'none'}`)
      }
      return read(parseJson(bytes.subarray(1)))
    },
  }
}

export function instantOf(value: unknown): number {
  return integerOf(value, 0, Number.MAX_SAFE_INTEGER)
}

export function tokenOf(value: unknown): string {
  return matchOf(value, TOKEN)
}

export function inlineOf(value: unknown): NamedPolicy[] {
  return listOf(value, INLINE_MAX, (item) => {
    const { name, text } = fieldsOf(item, ['name', 'text'])
    return { name: matchOf(name, POLICY_NAME), text: textOf(text, POLICY_CHARACTERS_MAX) }
  })
}

export function attachedOf(value: unknown): AttachedPolicy[] {
  return listOf(value, ATTACHED_MAX, attachmentOf)
}

export function attachmentOf(value: unknown): AttachedPolicy {
  const { arn, id, token } = fieldsOf(value, ['arn', 'id', 'token'])
  return {
    arn: matchOf(arn, POLICY_ARN),
    id: matchOf(id, UNIQUE_ID),
    token: tokenOf(token),
  }
}

export function referencesOf(value: unknown, lengthMax: number): Reference[] {
  return listOf(value, lengthMax, (item) => {
    const { id, token } = fieldsOf(item, ['id', 'token'])
    return { id: matchOf(id, UNIQUE_ID), token: tokenOf(token) }
  })
}

export function recordTags(value: unknown): IamTag[] {
  return listOf(value, TAGS_MAX, (item) => {
    const { key, value: text } = fieldsOf(item, ['key', 'value'])
    return { key: textOf(key, 128), value: textOf(text, 256) }
  })
}

/** Principals of a trust policy: ARN and id. */
export function resolvedOf(value: unknown): ResolvedPrincipal[] {
  return listOf(value, RESOLVED_MAX, (item) => {
    const { arn, id } = fieldsOf(item, ['arn', 'id'])
    return { arn: textOf(arn, ARN_CHARACTERS_MAX), id: matchOf(id, PRINCIPAL_ID) }
  })
}

/** A field that is true or left out. */
export function markOf<N extends string>(name: N, value: unknown): { readonly [K in N]?: true } {
  if (value === undefined) return {}
  if (value !== true) throw new ShapeError(`${name} is not true`)
  return { [name]: true } as { readonly [K in N]?: true }
}
