/**
 * The rooms of gateway/ and node/, and which rooms a file may import from. A room is a folder directly below the top folder.
 * The files of the top folder itself are its last room. docs/architecture.md says what each room is for.
 *
 * A room may import from itself and from rooms on the lines above it.
 */

import { dirname } from 'node:path'
import { isTestSupport, packageOf, type SourceFile } from './source.ts'

/** Rooms on one line may not import from each other. `.` is the top folder itself. */
const ORDER: Readonly<Record<string, readonly (readonly string[])[]>> = {
  gateway: [
    ['port'],
    ['threads', 'encryption'],
    ['http'],
    ['auth'],
    ['body'],
    ['overload'],
    ['s3', 'iam', 'admin'],
    ['routes'],
    ['.'],
  ],
  node: [
    ['env'],
    ['tools'],
    ['net', 'log'],
    ['layout'],
    ['replica', 'process'],
    ['quorum'],
    ['objects'],
    ['iam', 'reclaim', 'lifecycle', 'notifications'],
    ['repair'],
    ['rebalance'],
    ['serving'],
    ['status'],
    ['assembly'],
    ['start'],
    ['cli'],
    ['.'],
  ],
}

interface Place {
  readonly top: string
  readonly room: string
  /** Index of the room's line in the order, -1 when the room is in none. */
  readonly line: number
}

export interface RoomReport {
  readonly rooms: number
  /** Files in a folder that the order does not have. */
  readonly homeless: readonly string[]
  /** 'node/log/x.ts imports node/repair/y.ts'. */
  readonly upward: readonly string[]
  /** Files that reach themselves through their imports, each circle as one text. */
  readonly circles: readonly string[]
}

/** Looks for upward imports in what ships, and for circles in everything. */
export function reportRooms(sources: readonly SourceFile[]): RoomReport {
  const shipped = sources.filter(({ path }) => placeOf(path) !== undefined && !isTestSupport(path))
  const upward = shipped.flatMap(({ path, imports }) =>
    imports
      .filter((imported) => packageOf(imported) === undefined)
      .map((imported) => imported.slice(2))
      .filter((imported) => isUpward(path, imported))
      .map((imported) => `${path} imports ${imported}`),
  )
  const homeless = shipped.map(({ path }) => path).filter((path) => placeOf(path)?.line === -1)
  const rooms = new Set(shipped.map(({ path }) => dirname(path)))
  return { rooms: rooms.size, homeless, upward, circles: circlesOf(sources) }
}

/** 'node/env/', 'node/tools/', …: the folders of a top folder, lowest first. */
export function roomsOf(top: string): string[] {
  const names = (ORDER[top] ?? []).flat().filter((room) => room !== '.')
  return names.map((room) => `${top}/${room}/`)
}

function placeOf(path: string): Place | undefined {
  const [top = '', ...rest] = path.split('/')
  const order = ORDER[top]
  if (order === undefined) return undefined
  const room = rest.length > 1 ? rest[0]! : '.'
  return { top, room, line: order.findIndex((rooms) => rooms.includes(room)) }
}

function isUpward(path: string, imported: string): boolean {
  const [from, to] = [placeOf(path), placeOf(imported)]
  if (from === undefined || to === undefined || from.top !== to.top) return false
  return from.room !== to.room && from.line <= to.line
}

/** Tarjan's strongly connected components with more than one file. */
function circlesOf(sources: readonly SourceFile[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[] = []
  const visit = (path: string): void => {
    order.set(path, order.size)
    low.set(path, order.get(path)!)
    stack.push(path)
    for (const imported of byPath.get(path)!.imports) {
      const next = imported.slice(2)
      if (!byPath.has(next)) continue
      if (!order.has(next)) visit(next)
      if (stack.includes(next)) low.set(path, Math.min(low.get(path)!, low.get(next)!))
    }
    if (low.get(path) !== order.get(path)) return
    const circle = stack.splice(stack.indexOf(path))
    if (circle.length > 1) found.push(circle.sort().join(' '))
  }
  for (const path of byPath.keys()) if (!order.has(path)) visit(path)
  return found
}
