import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { XxHash, type XxHashAlgorithm } from './xxhash.ts'

const ALGORITHMS = ['XXHASH64', 'XXHASH3', 'XXHASH128'] as const

function digestOf(algorithm: XxHashAlgorithm, ...pieces: readonly Uint8Array[]): string {
  const hasher = new XxHash(algorithm)
  for (const piece of pieces) hasher.update(piece)
  return Buffer.from(hasher.digest()).toString('hex')
}

/** The input of xxHash's own test vectors. */
function sanityBuffer(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let next = 2_654_435_761n
  for (let at = 0; at < length; at++) {
    bytes[at] = Number(next >> 56n)
    next = BigInt.asUintN(64, next * 11_400_714_785_074_694_797n)
  }
  return bytes
}

test.each([
  ['XXHASH64', 'c500b0c912b376d8'],
  ['XXHASH3', 'b6acb9d84a38ff74'],
  ['XXHASH128', '7351f89812f97382b91d05b31e04dd7f'],
] as const)("%s of the text in the tests of AWS's C library has the same bytes", (name, hex) => {
  expect(digestOf(name, Buffer.from('Hello world'))).toBe(hex)
})

/** From xxHash's sanity_test_vectors.h, seed 0: lengths on both sides of the borders where the algorithms change. */
const PUBLISHED: Readonly<Record<XxHashAlgorithm, Readonly<Record<number, string>>>> = {
  XXHASH64: {
    0: 'ef46db3751d8e999',
    1: 'e934a84adb052768',
    4: '9136a0dca57457ee',
    14: '8282dcc4994e35c8',
    222: 'b641ae8cb691c174',
  },
  XXHASH3: {
    0: '2d06800538d394c2',
    8: '24ccc9acaa9f65e4',
    9: '14d5001c15dd3f2b',
    16: '981b17d36c7498c9',
    17: '796f5acd3a60f862',
    64: '9cb48487720ec49d',
    128: 'fcff24126754d861',
    129: '98f1b0a679a2ca29',
    222: 'b9163b558664d356',
    240: '81c3c2b67f568ccf',
    241: 'c5a639ecd2030e5e',
    403: 'cdeb804d65c6dea4',
    512: '617e49599013cb6b',
    2048: 'dd59e2c3a5f038e0',
    4160: '4f323b15321e94e1',
  },
  XXHASH128: {
    0: '99aa06d3014798d86001c324468d497f',
    1: 'a6cd5e9392000f6ac44bdff4074eecdb',
    16: 'c68c368ecf8a9c05562980258a998629',
    129: '03815fc91f1b30b686c9e3bc8f0a3b5c',
    241: '99a80ecf0ecfc647c5a639ecd2030e5e',
    4160: '67140711c1e3e3354f323b15321e94e1',
  },
}

test.each(ALGORITHMS)('%s has the published values', (algorithm) => {
  for (const [length, hex] of Object.entries(PUBLISHED[algorithm])) {
    expect(digestOf(algorithm, sanityBuffer(Number(length))), `${length} bytes`).toBe(hex)
  }
})

test.each(ALGORITHMS)('%s does not depend on how the input is cut', (algorithm) => {
  const all = sanityBuffer(70_001)
  // hash-wasm takes 16 KiB at a time; XXH3 buffers 256 bytes and mixes blocks of 1,024.
  const borders = [0, 1, 31, 32, 33, 240, 241, 255, 256, 257, 1023, 1024, 1025, 16_384, 16_385]
  for (const length of [...borders, 70_000]) {
    // Begins at an odd offset, so that nothing depends on alignment.
    const bytes = all.subarray(1, 1 + length)
    const whole = digestOf(algorithm, bytes)
    for (const border of borders) {
      if (border > length) continue
      const cut = digestOf(algorithm, bytes.subarray(0, border), bytes.subarray(border))
      expect(cut, `${length} bytes cut at ${border}`).toBe(whole)
    }
  }
})

test.each(ALGORITHMS)('%s: streams that take turns do not disturb each other', (algorithm) => {
  const turn = fc.record({
    stream: fc.integer({ min: 0, max: 3 }),
    bytes: fc.uint8Array({ maxLength: 700 }),
    ends: fc.integer({ min: 0, max: 9 }).map((value) => value === 0),
  })
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
      const open = new Map<number, { hasher: XxHash; given: Uint8Array[] }>()
      const finish = (stream: number): void => {
        const { hasher, given } = open.get(stream) ?? { hasher: undefined, given: [] }
        open.delete(stream)
        if (hasher === undefined) return
        const digest = Buffer.from(hasher.digest()).toString('hex')
        expect(digest).toBe(digestOf(algorithm, Buffer.concat(given)))
      }
      for (const { stream, bytes, ends } of turns) {
        const state = open.get(stream) ?? { hasher: new XxHash(algorithm), given: [] }
        open.set(stream, state)
        state.hasher.update(bytes)
        state.given.push(bytes)
        if (ends) finish(stream)
      }
      for (const stream of open.keys()) finish(stream)
    }),
  )
})
