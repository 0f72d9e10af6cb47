/**
 * Finds the operation of a request in the table. What else a request may carry: support.ts.
 *
 * Most requests have no query except `x-id`; for these the method and the level are enough.
 */

import type { Level, Method, Operation } from '../s3/operation.ts'
import { OPERATIONS } from './operations.ts'
import type { S3Request } from '../http/request.ts'

/** An operation with its marks split into names and values, so that a request splits none. */
interface Candidate {
  readonly operation: Operation
  readonly marks: readonly (readonly [name: string, value: string | undefined])[]
}

/** Operations with more marks come first: `?partNumber&uploadId` before `?uploadId` before none. */
const candidates: ReadonlyMap<string, readonly Candidate[]> = tableOf(OPERATIONS)

function tableOf(operations: readonly Operation[]): ReadonlyMap<string, readonly Candidate[]> {
  const table = new Map<string, Candidate[]>()
  for (const operation of operations) {
    const at = slot(operation.method, operation.level)
    const found = table.get(at) ?? []
    found.push({ operation, marks: operation.marks.map(splitMark) })
    table.set(at, found)
  }
  for (const found of table.values())
    found.sort((a, b) => weight(b.operation) - weight(a.operation))
  return table
}

/** The key of the table: operations are first told apart by method and level. */
function slot(method: string, level: Level): string {
  return `${method} ${level}`
}

/** A sub-resource weighs more than a mark with a value: `?versions&list-type=2` lists versions. */
function weight({ marks, markHeader }: Operation): number {
  let sum = markHeader === undefined ? 0 : 1
  for (const mark of marks) sum += mark.includes('=') ? 1 : 4
  return sum
}

function splitMark(mark: string): readonly [string, string | undefined] {
  const at = mark.indexOf('=')
  return at < 0 ? [mark, undefined] : [mark.slice(0, at), mark.slice(at + 1)]
}

/** Whether a request is about the service, a bucket or an object. */
export function levelOf(request: S3Request): Level {
  if (request.bucket === undefined) return 'service'
  return request.key === undefined ? 'bucket' : 'object'
}

/** The operation of a request; undefined when no operation has this method at this level. */
export function route(request: S3Request): Operation | undefined {
  const { query, headers } = request
  for (const { operation, marks } of candidates.get(slot(request.method, levelOf(request))) ?? []) {
    const { markHeader } = operation
    if (markHeader !== undefined && headers[markHeader] === undefined) continue
    let all = true
    for (const [name, value] of marks) {
      const given = query.get(name)
      if (given === undefined || (value !== undefined && given !== value)) all = false
    }
    if (all) return operation
  }
  return undefined
}

/** The methods of the operations of this level, for answers of 405. */
export function methodsAt(level: Level): Method[] {
  const methods = new Set<Method>()
  for (const operation of OPERATIONS) if (operation.level === level) methods.add(operation.method)
  return [...methods]
}
