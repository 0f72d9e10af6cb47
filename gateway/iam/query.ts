/**
 * AWS's query protocol: a form whose names unfold into lists and records.
 *
 *   Action=CreateUser&UserName=ann&Tags.member.1.Key=team&Tags.member.1.Value=blue
 *   { Action: 'CreateUser', UserName: 'ann', Tags: [{ Key: 'team', Value: 'blue' }] }
 *
 * A list is written with `member` and numbers, or with numbers alone, and is ordered by these. Records have no
 * prototype, so `__proto__` is an ordinary name (F28). Throws IamError MalformedQueryString.
 */

import { IamError, type QueryRecord, type QueryValue } from '../port/iam-backend.ts'

/** The maximum size of a form. */
export const FORM_BYTES_MAX = 256 * 1024
/** Bounds of the parsed form. It is parsed before the rights of its caller are known (F27b). */
const FIELDS_MAX = 4_000
const DEPTH_MAX = 12
const NUMBER_MAX = 4_000
const NAME = /^[A-Za-z0-9_-]{1,128}$/
const NUMBER = /^[1-9][0-9]{0,3}$/

/** A value, or what is below a name: the members are in the order in which they were sent. */
type Node = string | Map<string, Node>

/**
 * Parses the body of a POST, or the query of a GET. Bounded in bytes, fields, depth and list numbers, because the
 * rights of the caller are not known yet (F27b). A name that is given twice is an error. Throws IamError
 * MalformedQueryString.
 */
export function parseForm(bytes: Uint8Array): QueryRecord {
  if (bytes.length > FORM_BYTES_MAX) throw malformed('The request is too large.')
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw malformed('The request is not UTF-8.')
  }
  const pairs: (readonly [string, string])[] = []
  for (const pair of text.split('&')) {
    if (pair === '') continue
    if (pairs.length === FIELDS_MAX) throw malformed('The request has too many parameters.')
    const equals = pair.indexOf('=')
    const name = decoded(equals < 0 ? pair : pair.slice(0, equals))
    pairs.push([name, equals < 0 ? '' : decoded(pair.slice(equals + 1))])
  }
  return unfold(pairs)
}

/** `pairs` are names and values, already decoded. */
export function unfold(pairs: Iterable<readonly [string, string]>): QueryRecord {
  const root = new Map<string, Node>()
  for (const [name, value] of pairs) place(root, name, value)
  return recordOf(root)
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decoded(text: string): string {
  const plain = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!plain.includes('%')) return plain
  try {
    return decodeURIComponent(plain)
  } catch {
    throw malformed('A parameter is not encoded correctly.')
  }
}

/** Puts a value where its name says: `Tags.member.1.Key` is four steps down. Throws MalformedQueryString. */
function place(root: Map<string, Node>, name: string, value: string): void {
  const steps = name.split('.')
  if (steps.length > DEPTH_MAX) throw malformed('A parameter is nested too deeply.')
  let at = root
  for (const [index, step] of steps.entries()) {
    if (!NAME.test(step)) throw malformed('A parameter has a malformed name.')
    const known = at.get(step)
    if (index === steps.length - 1) {
      if (known !== undefined) throw malformed(`${name.slice(0, 100)} was given more than once.`)
      at.set(step, value)
    } else if (known === undefined) {
      const next = new Map<string, Node>()
      at.set(step, next)
      at = next
    } else if (typeof known === 'string') {
      throw malformed(`${name.slice(0, 100)} is given as a value and as a list.`)
    } else {
      at = known
    }
  }
}

/** A text, a list or a record. A level whose names are all numbers is a list, with or without `member` before it. */
function valueOf(node: Node): QueryValue {
  if (typeof node === 'string') return node
  const members = node.get('member')
  const list = node.size === 1 && members instanceof Map ? members : node
  return [...list.keys()].every((key) => NUMBER.test(key)) ? listOf(list) : recordOf(node)
}

/** The numbers give the order only: 1 and 3 without 2 make a list of two. */
function listOf(list: ReadonlyMap<string, Node>): QueryValue[] {
  const numbered = [...list].map(([key, node]) => [Number(key), node] as const)
  if (numbered.some(([number]) => number > NUMBER_MAX)) throw malformed('A list is too long.')
  return numbered.sort(([a], [b]) => a - b).map(([, node]) => valueOf(node))
}

function recordOf(node: ReadonlyMap<string, Node>): QueryRecord {
  const record = Object.create(null) as Record<string, QueryValue>
  for (const [name, value] of node) record[name] = valueOf(value)
  return record
}

function malformed(message: string): IamError {
  return new IamError('MalformedQueryString', 404, message)
}
