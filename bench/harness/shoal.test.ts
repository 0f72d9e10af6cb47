import { expect, it } from 'vitest'
import { parseStat, parseStatus } from './proc.ts'
import { readyNodesOf } from './shoal.ts'

it('finds the ready lines among other output, by S3 port', () => {
  const output =
    'node-1 | ready s3=http://127.0.0.1:9010 admin=http://127.0.0.1:9011 node=12D3B\n' +
    'noise\nready s3=http://127.0.0.1:9000/ admin=http://127.0.0.1:9001 node=12D3A\n' +
    'ready s3=http://127.0.0.1:9020 admin=http://127.0.0.1:9021 no'
  expect(readyNodesOf(output)).toEqual([
    { s3: 'http://127.0.0.1:9000', admin: 'http://127.0.0.1:9001', node: '12D3A' },
    { s3: 'http://127.0.0.1:9010', admin: 'http://127.0.0.1:9011', node: '12D3B' },
  ])
})

it('reads CPU time behind a name with spaces and brackets', () => {
  const stat = `42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 11 0 5 1 1`
  expect(parseStat(stat)).toBe(3000)
})

it('reads memory', () => {
  expect(
    parseStatus('Name:\tnode\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\n'),
  ).toEqual({
    rssBytes: 1 << 20,
    rssBytesMax: 2 << 20,
    anonymousBytes: 1 << 19,
  })
})
