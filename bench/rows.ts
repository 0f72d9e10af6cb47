/** The rows of the benchmark: what is measured, and the ratio to the floor that must be reached. */

export interface BenchRow {
  readonly name: string
  readonly title: string
  readonly nodes: 1 | 3
  /** A mixed load is 70 % GET, 30 % PUT of new keys. */
  readonly work: 'put' | 'get' | 'list' | 'mixed'
  readonly sizeBytes: number
  readonly connections: number
  readonly query?: Readonly<Record<string, string>>
  /** The bucket encrypts what is written into it (SSE-S3). The floor does not. */
  readonly encrypted?: true
  /** Absent for rows that are only shown. */
  readonly reach?: number
  readonly aim?: number
}

type Work = Omit<BenchRow, 'name' | 'title' | 'nodes' | 'reach' | 'aim'>

const small = { sizeBytes: 4 << 10, connections: 64 } as const
const large = { sizeBytes: 8 << 20, connections: 4 } as const
const medium = { sizeBytes: 1 << 20, connections: 16 } as const
const put4k = { work: 'put', ...small } as const
const get4k = { work: 'get', ...small } as const
const put8m = { work: 'put', ...large } as const
const get8m = { work: 'get', ...large } as const
const page = { 'list-type': '2', 'max-keys': '1000' } as const
const list = { work: 'list', sizeBytes: 0, connections: 4, query: page } as const
const mixed = { work: 'mixed', ...small } as const
const listByPrefix = { ...list, query: { ...page, delimiter: '/' } } as const

const encrypted = true

/** [name, title, work, reach, aim] */
type Line = readonly [name: string, title: string, work: Work, reach?: number, aim?: number]

const oneNode: readonly Line[] = [
  ['put-4k', 'PUT 4 KiB, 64 connections', put4k, 0.3, 0.5],
  ['get-4k', 'GET 4 KiB, 64 connections', get4k, 0.42, 0.6],
  ['put-8m', 'PUT 8 MiB, 4 connections', put8m, 1.5, 2.1],
  ['get-8m', 'GET 8 MiB, 4 connections', get8m, 0.85, 1],
  ['list', 'LIST 1,000 keys, 4 connections', list, 1.5, 3],
  ['put-4k-alone', 'PUT 4 KiB, 1 connection', { ...put4k, connections: 1 }],
  ['get-4k-alone', 'GET 4 KiB, 1 connection', { ...get4k, connections: 1 }],
  ['put-1m', 'PUT 1 MiB, 16 connections', { work: 'put', ...medium }],
  ['get-1m', 'GET 1 MiB, 16 connections', { work: 'get', ...medium }],
  ['list-prefixes', 'LIST 10,000 keys, 10 prefixes', listByPrefix],
  ['mixed', '70 % GET, 30 % PUT 4 KiB', mixed],
  ['put-4k-encrypted', 'PUT 4 KiB, encrypted', { ...put4k, encrypted }],
  ['get-4k-encrypted', 'GET 4 KiB, encrypted', { ...get4k, encrypted }],
  ['put-8m-encrypted', 'PUT 8 MiB, encrypted', { ...put8m, encrypted }],
  ['get-8m-encrypted', 'GET 8 MiB, encrypted', { ...get8m, encrypted }],
]

const threeNodes: readonly Line[] = [
  ['3-put-4k', '3 nodes: PUT 4 KiB', put4k, 0.2, 0.35],
  ['3-get-4k', '3 nodes: GET 4 KiB through one', get4k, 0.35, 0.5],
  ['3-put-8m', '3 nodes: PUT 8 MiB', put8m, 0.5, 0.7],
  ['3-get-8m', '3 nodes: GET 8 MiB', get8m, 0.75, 0.9],
  ['3-list', '3 nodes: LIST 1,000 keys', list, 0.8, 1.5],
  ['3-mixed', '3 nodes: 70 % GET, 30 % PUT 4 KiB', mixed],
]

function rowOf(nodes: 1 | 3, [name, title, work, reach, aim]: Line): BenchRow {
  const bounds = reach === undefined || aim === undefined ? {} : { reach, aim }
  return { name, title, nodes, ...work, ...bounds }
}

export const rows: readonly BenchRow[] = [
  ...oneNode.map((line) => rowOf(1, line)),
  ...threeNodes.map((line) => rowOf(3, line)),
]
