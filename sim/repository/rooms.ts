/**
 * The rooms of the house, and which of them a file may import from. A room is a folder of its top folder; what lies in the
 * top folder itself is its last room. Each line may import from the lines above it, and a room from itself.
 */

import { dirname } from 'node:path'
import { isTestSupport, packageOf, type SourceFile } from './source.ts'

/** Rooms on one line do not know each other. `.` is the top folder itself. */
const ORDER: Readonly<Record<string, readonly (readonly string[])[]>> = {
  gateway: [
    ['port'],
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
    ['iam', 'reclaim'],
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
  /** Undefined: the room is in no line. */
  readonly line: number
}

export interface RoomReport {
  readonly rooms: number
  /** Files in a folder that is no room. */
  readonly homeless: readonly string[]
  /** 'node/log/x.ts imports node/repair/y.ts'. */
  readonly upward: readonly string[]
  /** Files that reach themselves through their imports, each circle as one text. */
  readonly circles: readonly string[]
}

/** Of what ships; circles of everything. */
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
