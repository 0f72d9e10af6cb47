/**
 * Reads changes of the layout from JSON, strictly: a misspelt field is an error. A change that ignored a field could
 * move all data of a node in another way than its operator meant.
 *
 * Only the form is checked here. Whether the node exists and the change is possible is for the backend to say. Called
 * by api.ts for the requests of `shoal layout`.
 */

import { LayoutRefusal, type LayoutChange, type PlannedChange } from '../port/layout.ts'

/** The maximum size of a request's body. */
export const CHANGE_BYTES_MAX = 4_096
const REPLICATION_MAX = 7
const CAPACITY_BYTES_MIN = 2 ** 26
const NODE = /^[A-Za-z0-9._-]{1,128}$/
const LOSS_ID = /^[0-9a-f]{16}$/
const NAME = /^[A-Za-z0-9._-]{1,64}$/

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads a change to make. A node is never added this way: it asks for its place itself when it starts. Throws
 * LayoutRefusal (400).
 */
export function readChange(body: Uint8Array): LayoutChange {
  const fields = fieldsOf(body)
  switch (fields['kind']) {
    case 'replace':
      allow(fields, ['node', 'by'])
      return { kind: 'replace', node: nodeOf(fields, 'node'), by: nodeOf(fields, 'by') }
    case 'add':
      throw wrong('a node is added by starting it: `shoal start --join-file FILE`')
    default:
      return readShared(fields)
  }
}

/**
 * Reads a change to plan: one that could be made, or one whose node does not exist yet. A plan can add a node, or
 * replace one by a node of which only zone and capacity are known. Throws LayoutRefusal (400).
 */
export function readPlanned(body: Uint8Array): PlannedChange {
  const fields = fieldsOf(body)
  switch (fields['kind']) {
    case 'replace':
      allow(fields, ['node', 'by', 'zone', 'capacityBytes'])
      return {
        kind: 'replace',
        node: nodeOf(fields, 'node'),
        ...(fields['by'] !== undefined && { by: nodeOf(fields, 'by') }),
        ...placeOf(fields),
      }
    case 'add': {
      allow(fields, ['zone', 'capacityBytes'])
      const { zone = 'default', capacityBytes } = placeOf(fields)
      if (capacityBytes === undefined) throw wrong('add: capacityBytes (--capacity) is required')
      return { kind: 'add', zone, capacityBytes }
    }
    default:
      return readShared(fields)
  }
}

/** Reads the id of the loss report that is accepted. Throws LayoutRefusal (400). */
export function readLossId(body: Uint8Array): string {
  const fields = fieldsOf(body)
  allow(fields, ['id'])
  return textOf(fields['id'], LOSS_ID, 'id must be the id of the report: 16 hexadecimal digits')
}

/** The kinds of changes that have the same fields when they are planned and when they are made. */
function readShared(fields: Fields): Exclude<LayoutChange, { kind: 'replace' }> {
  const kind = fields['kind']
  switch (kind) {
    case 'drain':
    case 'remove':
      allow(fields, ['node', 'force'])
      return { kind, node: nodeOf(fields, 'node'), ...forceOf(fields) }
    case 'set': {
      allow(fields, ['node', 'name', 'zone', 'capacityBytes', 'force'])
      const name = fields['name']
      const set = {
        ...(name !== undefined && {
          name: textOf(name, NAME, 'name must have 1 to 64 letters, digits, dots, dashes'),
        }),
        ...placeOf(fields),
      }
      if (Object.keys(set).length === 0) throw wrong('set: give --zone, --capacity or --name')
      return { kind, node: nodeOf(fields, 'node'), ...set, ...forceOf(fields) }
    }
    case 'replication': {
      allow(fields, ['replication', 'force'])
      const { replication } = fields
      if (typeof replication !== 'number' || !Number.isInteger(replication)) {
        throw wrong(`replication must be a whole number from 1 to ${REPLICATION_MAX}`)
      }
      if (replication < 1 || replication > REPLICATION_MAX) {
        throw wrong(`replication must be a whole number from 1 to ${REPLICATION_MAX}`)
      }
      return { kind, replication, ...forceOf(fields) }
    }
    default:
      throw wrong('kind must be drain, remove, replace, set or replication; plans also allow add')
  }
}

function fieldsOf(body: Uint8Array): Fields {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    throw wrong('the body is not JSON')
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw wrong('the body is not a JSON object')
}

/** Throws unless all fields besides `kind` are among `names`. */
function allow(fields: Fields, names: readonly string[]): void {
  const other = Object.keys(fields).find((name) => name !== 'kind' && !names.includes(name))
  if (other === undefined) return
  throw wrong(`unknown field ${JSON.stringify(other.slice(0, 40))}: ${names.join(', ')} are known`)
}

function forceOf({ force }: Fields): { force?: boolean } {
  if (force === undefined) return {}
  if (typeof force !== 'boolean') throw wrong('force must be true or false')
  return { force }
}

function nodeOf(fields: Fields, field: string): string {
  return textOf(fields[field], NODE, `${field} must be the name of a node, or the end of its id`)
}

function placeOf({ zone, capacityBytes }: Fields): { zone?: string; capacityBytes?: number } {
  return {
    ...(zone !== undefined && {
      zone: textOf(zone, NAME, 'zone must have 1 to 64 letters, digits, dots, dashes'),
    }),
    ...(capacityBytes !== undefined && { capacityBytes: capacityOf(capacityBytes) }),
  }
}

function capacityOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= CAPACITY_BYTES_MIN) {
    return value
  }
  throw wrong('capacityBytes must be a whole number of bytes, at least 64 MiB')
}

function textOf(value: unknown, pattern: RegExp, problem: string): string {
  if (typeof value === 'string' && pattern.test(value)) return value
  throw wrong(problem)
}

function wrong(message: string): LayoutRefusal {
  return new LayoutRefusal(400, message)
}
