/** F23: the decoder of aws-chunked, with random and with written cases. */

import { createSecretKey } from 'node:crypto'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cut, encodeChunks } from '../testing/chunks.ts'
import type { EncodeOptions } from '../testing/chunks.ts'
import { signHeader } from '../testing/signer.ts'
import { ChunkedDecoder } from './chunked.ts'
import type { ChunkedOptions } from './chunked.ts'

const SIGNED = signHeader({ method: 'PUT', path: '/b/k' })
const SIGNING = {
  signingKey: createSecretKey(SIGNED.signingKey),
  seedSignature: SIGNED.signature,
  scope: SIGNED.scope,
  timestamp: '20261121T120000Z',
}
const TRAILERS = [['x-amz-checksum-crc32', 'AAAAAA==']] as const

function decode(pieces: readonly Uint8Array[], options: ChunkedOptions): Buffer {
  const decoder = new ChunkedDecoder(options)
  const out: Uint8Array[] = []
  for (const piece of pieces) decoder.push(piece, (data) => void out.push(data))
  decoder.end()
  return Buffer.concat(out)
}

interface Mode {
  readonly name: string
  readonly encode: EncodeOptions
  readonly decode: Omit<ChunkedOptions, 'decodedBytes'>
}

const MODES: readonly Mode[] = [
  { name: 'signed', encode: { signed: SIGNED }, decode: { signing: SIGNING } },
  {
    name: 'signed with trailer',
    encode: { signed: SIGNED, trailers: TRAILERS },
    decode: { signing: SIGNING, trailers: ['x-amz-checksum-crc32'] },
  },
  {
    name: 'unsigned with trailer',
    encode: { trailers: TRAILERS },
    decode: { trailers: ['x-amz-checksum-crc32'] },
  },
  { name: 'unsigned, trailer mode, none announced', encode: {}, decode: { trailers: [] } },
]

/** All signed chunks but the last have at least 8 KiB. */
const chunkLists = fc
  .tuple(
    fc.array(fc.integer({ min: 8192, max: 9000 }), { maxLength: 3 }),
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 0, max: 255 }),
  )
  .map(([sizes, last, seed]) =>
    [...sizes, last].map((size, n) => Buffer.alloc(size).map((_, i) => seed + n + i * 7)),
  )
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

const sample = [Buffer.alloc(8192, 'x'), Buffer.from('tail')]
const decodedBytes = 8196

describe.each(MODES)('$name', (mode) => {
  test('decodes to the original, however it is cut', () => {
    fc.assert(
      fc.property(chunkLists, cuts, (chunks, fractions) => {
        const whole = Buffer.concat(chunks)
        const options = { ...mode.decode, decodedBytes: whole.length }
        expect(
          decode(cut(encodeChunks(chunks, mode.encode), fractions), options).equals(whole),
        ).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('can be decoded byte by byte', () => {
    const body = encodeChunks(sample, mode.encode)
    const pieces = Array.from(body, (_, i) => body.subarray(i, i + 1))
    expect(decode(pieces, { ...mode.decode, decodedBytes }).length).toBe(decodedBytes)
  })

  test('is refused when it is cut short anywhere', () => {
    const body = encodeChunks(sample, mode.encode)
    const framing = body.length - 8192
    for (let left = 0; left < body.length; left += left > 100 && left < 8200 ? 977 : 1) {
      expect(() => decode([body.subarray(0, left)], { ...mode.decode, decodedBytes })).toThrow(
        expect.objectContaining({ code: 'IncompleteBody' }),
      )
    }
    expect(framing).toBeGreaterThan(0)
  })

  test('is refused with anything after it but one empty line', () => {
    for (const more of ['x', '\n', '\r', '\r\n\r\n', '\r\nx', '0\r\n\r\n']) {
      const body = Buffer.concat([encodeChunks(sample, mode.encode), Buffer.from(more)])
      for (const pieces of [[body], Array.from(body, (_, i) => body.subarray(i, i + 1))]) {
        expect(
          () => decode(pieces, { ...mode.decode, decodedBytes }),
          JSON.stringify(more),
        ).toThrow(expect.objectContaining({ code: 'IncompleteBody' }))
      }
    }
    const body = Buffer.concat([encodeChunks(sample, mode.encode), Buffer.from('\r\n')])
    expect(decode([body], { ...mode.decode, decodedBytes }).length).toBe(decodedBytes)
  })

  test('a wrong decoded length is refused', () => {
    const body = encodeChunks(sample, mode.encode)
    expect(() => decode([body], { ...mode.decode, decodedBytes: decodedBytes + 1 })).toThrow(
      expect.objectContaining({
        code: 'IncompleteBody',
        details: { NumberBytesExpected: decodedBytes + 1, NumberBytesProvided: decodedBytes },
      }),
    )
    expect(() => decode([body], { ...mode.decode, decodedBytes: decodedBytes - 1 })).toThrow(
      expect.objectContaining({ code: 'IncompleteBody', status: 400 }),
    )
  })
})

describe.each(MODES)('$name, with changed or random bytes', (mode) => {
  test('is refused after any change, or (unsigned) has exactly the announced length', () => {
    const body = encodeChunks(sample, mode.encode)
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: body.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        cuts,
        (at, change, fractions) => {
          const bad = Buffer.from(body)
          bad[at] = (bad[at] as number) ^ change
          try {
            const out = decode(cut(bad, fractions), { ...mode.decode, decodedBytes })
            expect(out.length).toBe(decodedBytes)
            // Another case of a hex digit, or another letter or blank in a trailer, changes nothing.
            if (mode.encode.signed !== undefined) {
              expect(out.equals(Buffer.concat(sample))).toBe(true)
            }
          } catch (error) {
            expect(error).toMatchObject({ name: 'S3Error' })
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('random bytes give an S3Error', () => {
    const words = fc.constantFrom(
      '0',
      '1',
      'a',
      'F',
      '\r',
      '\n',
      '\r\n',
      ';',
      'chunk-signature=',
      ':',
      'x-amz-',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 80 }),
          fc.array(words, { maxLength: 30 }).map((list) => Buffer.from(list.join(''))),
        ),
        fc.integer({ min: 0, max: 20 }),
        (bytes, decodedBytes) => {
          try {
            expect(decode([bytes], { ...mode.decode, decodedBytes }).length).toBe(decodedBytes)
          } catch (error) {
            expect(error).toMatchObject({ name: 'S3Error' })
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('an endless chunk line is refused after 512 bytes', () => {
    const decoder = new ChunkedDecoder({ ...mode.decode, decodedBytes: 10 })
    decoder.push(Buffer.alloc(512, '0'), () => {})
    expect(() => decoder.push(Buffer.from('0'), () => {})).toThrow(/too long/)
  })
})

const refuse = (text: string, options: Partial<ChunkedOptions>, code: string): void => {
  expect(() => decode([Buffer.from(text)], { decodedBytes: 1, trailers: [], ...options })).toThrow(
    expect.objectContaining({ code }),
  )
}

test.each([
  [MODES[0] as Mode, 3],
  [MODES[1] as Mode, 4],
])(
  'the signatures of each chunk, of the empty one and of the trailer are checked',
  (mode, count) => {
    const body = encodeChunks([Buffer.alloc(8192), Buffer.from('x')], mode.encode).toString(
      'latin1',
    )
    const signatures = [...body.matchAll(/signature[=:]([0-9a-f]{64})/g)]
    expect(signatures.length).toBe(count)
    for (const match of signatures) {
      const at = match.index + match[0].length - 1
      const bad = body.slice(0, at) + (body[at] === '0' ? '1' : '0') + body.slice(at + 1)
      expect(() =>
        decode([Buffer.from(bad, 'latin1')], { ...mode.decode, decodedBytes: 8193 }),
      ).toThrow(expect.objectContaining({ code: 'SignatureDoesNotMatch' }))
    }
  },
)

test('a changed byte of a signed chunk is refused before the next chunk', () => {
  const mode = MODES[0] as Mode
  const body = encodeChunks([Buffer.alloc(8192), Buffer.from('x')], mode.encode)
  body[200] = 1
  expect(() => decode([body], { ...mode.decode, decodedBytes: 8193 })).toThrow(
    expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
  )
})

test('swapped chunks are refused', () => {
  const [a, b] = [Buffer.alloc(8192, 'a'), Buffer.alloc(8192, 'b')]
  const mode = MODES[0] as Mode
  const body = encodeChunks([a, b], mode.encode)
  const chunkBytes = 4 + ';chunk-signature='.length + 64 + 2 + 8192 + 2
  const swapped = Buffer.concat([
    body.subarray(chunkBytes, 2 * chunkBytes),
    body.subarray(0, chunkBytes),
    body.subarray(2 * chunkBytes),
  ])
  expect(() => decode([swapped], { ...mode.decode, decodedBytes: 16_384 })).toThrow(
    expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
  )
})

test('small signed chunks are allowed only at the end', () => {
  const mode = MODES[0] as Mode
  const body = encodeChunks([Buffer.alloc(8191), Buffer.alloc(1)], mode.encode)
  expect(() => decode([body], { ...mode.decode, decodedBytes: 8192 })).toThrow(
    expect.objectContaining({
      code: 'InvalidChunkSizeError',
      status: 403,
      details: { Chunk: 2, BadChunkSize: 8191 },
    }),
  )
})

test('an empty line before the trailer signature is accepted', () => {
  const mode = MODES[1] as Mode
  const body = encodeChunks([Buffer.from('x')], { ...mode.encode, blankBeforeSignature: true })
  expect(decode([body], { ...mode.decode, decodedBytes: 1 }).toString()).toBe('x')
})

test.each([
  '1\nx\r\n0\r\n\r\n',
  '1\r\nx\n0\r\n\r\n',
  '0x1\r\nx\r\n0\r\n\r\n',
  '-1\r\nx\r\n0\r\n\r\n',
  '1 1\r\nx\r\n0\r\n\r\n',
  '\r\n',
  ';a=b\r\nx\r\n0\r\n\r\n',
  'ffffffffffffffff\r\n',
  '10000000000000000\r\n',
  '1\r\nxy\r\n0\r\n\r\n',
  '1\r\nx\r\n0\r\n',
  '1\r\nx\r\n',
  '1\r\nx0\r\n\r\n',
  '0\r\n\r\n',
  '2\r\nxy\r\n0\r\n\r\n',
])('framing %j is refused as in AWS', (text) => {
  refuse(text, {}, 'IncompleteBody')
})

test.each([
  '1;name=value\r\nx\r\n0;last\r\n\r\n',
  '1 ;name="v"; more\r\nx\r\n0\r\n\r\n',
  ' 1\t\r\nx\r\n0\r\n\r\n',
  `${'0'.repeat(100)}1\r\nx\r\n${'0'.repeat(100)}\r\n\r\n`,
  `1;chunk-signature=${'0'.repeat(64)}\r\nx\r\n0\r\n\r\n`,
])('framing %j is understood', (text) => {
  expect(decode([Buffer.from(text)], { decodedBytes: 1, trailers: [] }).toString()).toBe('x')
})

test('sizes may have upper-case and lower-case hex digits', () => {
  for (const size of ['1a', '1A', '001a']) {
    const text = `${size}\r\n${'x'.repeat(26)}\r\n0\r\n\r\n`
    expect(decode([Buffer.from(text)], { decodedBytes: 26, trailers: [] }).length).toBe(26)
  }
})

test('signed chunks may have other extensions in any order, but only one signature', () => {
  const mode = MODES[0] as Mode
  const body = encodeChunks([Buffer.from('x')], mode.encode).toString('latin1')
  const take = (text: string): Buffer =>
    decode([Buffer.from(text, 'latin1')], { ...mode.decode, decodedBytes: 1 })
  expect(take(body.replaceAll(';chunk', ' ; a=b; chunk')).toString()).toBe('x')
  for (const bad of [
    body.replaceAll(/;chunk-signature=[0-9a-f]{64}/g, ''),
    body.replaceAll(/(;chunk-signature=[0-9a-f]{64})/g, '$1$1'),
    body.replaceAll('chunk-signature=', 'chunk-signature='.toUpperCase()),
    body.replaceAll('chunk-signature=', 'chunk-signature'),
    body.replaceAll(/(chunk-signature=[0-9a-f]{63})[0-9a-f]/g, '$1'),
  ]) {
    expect(() => take(bad)).toThrow(expect.objectContaining({ code: 'IncompleteBody' }))
  }
})

test('several trailers, blanks around their values, and a line of minio-go are accepted', () => {
  const decoder = new ChunkedDecoder({ decodedBytes: 1, trailers: ['a', 'b', 'c'] })
  const text = '1\r\nx\r\n0\r\nB: 2 \r\na:\t1\r\nc:3\n\r\n\r\n'
  decoder.push(Buffer.from(text), () => {})
  decoder.end()
  expect([...decoder.trailers]).toEqual([
    ['b', '2'],
    ['a', '1'],
    ['c', '3'],
  ])
})

test.each([
  ['not announced', '1\r\nx\r\n0\r\na:b\r\n\r\n', []],
  ['announced and missing', '1\r\nx\r\n0\r\n\r\n', ['a']],
  ['another than announced', '1\r\nx\r\n0\r\nb:c\r\n\r\n', ['a']],
  ['one of two', '1\r\nx\r\n0\r\na:b\r\n\r\n', ['a', 'c']],
  ['twice', '1\r\nx\r\n0\r\na:b\r\na:b\r\n\r\n', ['a']],
  ['without a colon', '1\r\nx\r\n0\r\nab\r\n\r\n', ['ab']],
  ['without a name', '1\r\nx\r\n0\r\n:b\r\n\r\n', ['']],
  [
    'a signature in an unsigned one',
    `1\r\nx\r\n0\r\nx-amz-trailer-signature:${'0'.repeat(64)}\r\n\r\n`,
    [],
  ],
])('a trailer %s is refused', (_name, text, trailers) => {
  refuse(text, { trailers }, 'MalformedTrailerError')
})

test('a huge trailer is refused', () => {
  const line = `a:${'b'.repeat(8200)}\r\n`
  refuse(`1\r\nx\r\n0\r\n${line}\r\n`, { trailers: ['a'] }, 'IncompleteBody')
})

test('a signed trailer without its signature is refused', () => {
  const mode = MODES[1] as Mode
  const body = encodeChunks([Buffer.from('x')], mode.encode).toString('latin1')
  const bare = body.replace(/x-amz-trailer-signature:.*\r\n/, '')
  expect(() => decode([Buffer.from(bare, 'latin1')], { ...mode.decode, decodedBytes: 1 })).toThrow(
    expect.objectContaining({ code: 'IncompleteBody' }),
  )
})
