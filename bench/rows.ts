/** The rows of the benchmark: what is measured, and the ratio to the floor that must be reached. */

export interface BenchRow {
  readonly name: string
  readonly title: string
  readonly nodes: 1 | 3
  readonly work: 'put' | 'get' | 'list'
  readonly sizeBytes: number
  readonly connections: number
  readonly reach: number
  readonly aim: number
}

const small = { sizeBytes: 4 << 10, connections: 64 } as const
const large = { sizeBytes: 8 << 20, connections: 4 } as const

export const rows: readonly BenchRow[] = [
  {
    name: 'put-4k',
    title: 'PUT 4 KiB, 64 connections',
    nodes: 1,
    work: 'put',
    ...small,
    reach: 0.55,
    aim: 0.7,
  },
  {
    name: 'get-4k',
    title: 'GET 4 KiB, 64 connections',
    nodes: 1,
    work: 'get',
    ...small,
    reach: 0.55,
    aim: 0.7,
  },
  {
    name: 'put-8m',
    title: 'PUT 8 MiB, 4 connections',
    nodes: 1,
    work: 'put',
    ...large,
    reach: 1.25,
    aim: 1.6,
  },
  {
    name: 'get-8m',
    title: 'GET 8 MiB, 4 connections',
    nodes: 1,
    work: 'get',
    ...large,
    reach: 0.75,
    aim: 0.95,
  },
  {
    name: 'list',
    title: 'LIST 1,000 keys, 4 connections',
    nodes: 1,
    work: 'list',
    sizeBytes: 0,
    connections: 4,
    reach: 1.8,
    aim: 3,
  },
  {
    name: '3-put-4k',
    title: '3 nodes: PUT 4 KiB',
    nodes: 3,
    work: 'put',
    ...small,
    reach: 0.25,
    aim: 0.35,
  },
  {
    name: '3-get-4k',
    title: '3 nodes: GET 4 KiB through one',
    nodes: 3,
    work: 'get',
    ...small,
    reach: 0.4,
    aim: 0.55,
  },
  {
    name: '3-put-8m',
    title: '3 nodes: PUT 8 MiB',
    nodes: 3,
    work: 'put',
    ...large,
    reach: 0.45,
    aim: 0.6,
  },
]
