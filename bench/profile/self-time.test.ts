import { describe, expect, it } from 'vitest'
import { moduleOf, roomOf, selfTimes } from './self-time.ts'
import type { CpuProfile } from './self-time.ts'

const frame = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url, lineNumber: 9 },
  children,
})

/** Samples at 100, 110, 130, … 200 microseconds. */
const profile: CpuProfile = {
  nodes: [
    frame(1, '(root)', '', [2, 3, 4, 5]),
    frame(2, '(idle)', ''),
    frame(3, '(garbage collector)', ''),
    frame(4, '(program)', ''),
    frame(5, 'append', 'file:///src/shoal/node/log/log.ts', [6, 8]),
    frame(6, 'digest', 'file:///other/node_modules/@napi-rs/blake-hash/index.js', [7]),
    frame(7, 'update', ''),
    frame(8, '', 'node:internal/fs/promises'),
  ],
  startTime: 90,
  samples: [2, 5, 7, 3, 4, 8],
  timeDeltas: [10, 10, 20, 30, 25, 15],
}
const always = { fromUs: 0, toUs: 1_000 }

describe('selfTimes', () => {
  it('gives each sample the time until the next one', () => {
    const times = selfTimes(profile, always, '/src/shoal')
    expect(times).toMatchObject({ totalUs: 100, idleUs: 10, gcUs: 25, programUs: 15 })
    expect(times.modules).toEqual([
      { module: '@napi-rs/blake-hash/index.js', ownUs: 0, nativeUs: 30 },
      { module: 'node/log/log.ts', ownUs: 20, nativeUs: 0 },
    ])
  })

  it('counts only what is within the window', () => {
    const times = selfTimes(profile, { fromUs: 120, toUs: 170 }, '/src/shoal')
    expect(times).toMatchObject({ totalUs: 50, idleUs: 0, gcUs: 10, programUs: 0 })
    expect(times.functions).toEqual([
      { name: '(native) update', module: '@napi-rs/blake-hash/index.js', line: 0, selfUs: 30 },
      { name: 'append', module: 'node/log/log.ts', line: 10, selfUs: 10 },
    ])
  })

  it('sums modules by room', () => {
    const twice = { ...profile, samples: [5, 6, 8, 5, 2], timeDeltas: [10, 10, 10, 10, 10] }
    const { rooms } = selfTimes(twice, always, '/src/shoal')
    expect(rooms).toEqual([
      { module: 'node/log', ownUs: 20, nativeUs: 0 },
      { module: '@napi-rs/blake-hash', ownUs: 10, nativeUs: 0 },
      { module: 'Node.js', ownUs: 10, nativeUs: 0 },
    ])
  })
})

it('names modules without the path of the checkout', () => {
  expect(moduleOf('file:///src/a%20b/gateway/gate.ts', '/src/a b')).toBe('gateway/gate.ts')
  expect(moduleOf('file:///x/node_modules/koa/lib/a.js', '/src')).toBe('koa/lib/a.js')
  expect(moduleOf('node:net', '/src')).toBe('node:net')
  expect(moduleOf('', '/src')).toBe('(runtime)')
})

it('knows the room of a module', () => {
  expect(
    ['node/log/log.ts', 'gateway/gate.ts', 'koa/lib/a.js', '@libp2p/tls/a.js', 'node:fs'].map(
      roomOf,
    ),
  ).toEqual(['node/log', 'gateway', 'koa', '@libp2p/tls', 'Node.js'])
  expect(roomOf('dist/gateway/s3/put.js')).toBe('dist/gateway/s3')
})
