import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BOUNDARY, encodeForm } from '../testing/forms.ts'
import { cut } from '../testing/chunks.ts'
import { multipartBoundary, isMultipartForm, MultipartParser } from './multipart.ts'

interface Part {
  readonly name: string
  readonly filename: string | undefined
  content: string
}

/** Parses the pieces, and returns the parts. Latin1 keeps every byte of a content. */
function parse(pieces: readonly Uint8Array[], boundary = BOUNDARY): Part[] {
  const parts: Part[] = []
  let ended = 0
  const parser = new MultipartParser(boundary, {
    began: ({ name, filename }) => void parts.push({ name, filename, content: '' }),
    data(bytes) {
      parts.at(-1)!.content += Buffer.from(bytes).toString('latin1')
    },
    ended: () => void ended++,
  })
  for (const piece of pieces) parser.push(piece)
  parser.end()
  expect(ended).toBe(parts.length)
  return parts
}

const text = (value: string): Buffer[] => [Buffer.from(value, 'latin1')]
const HEAD = 'Content-Disposition: form-data; name="a"\r\n\r\n'

/** Contents that look like parts of a delimiter. */
const contents = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r', '\n', '\r\n', '-', '--', '\r\n--', `\r\n--${BOUNDARY.slice(0, -1)}`),
      fc.constantFrom(BOUNDARY, `--${BOUNDARY}`, '\r\n\r\n', 'x', 'ü', '\0'),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))
  .filter((content) => !`\r\n${content}`.includes(`\r\n--${BOUNDARY}`))

const MALFORMED_BODIES: [string, string][] = [
  ['nothing', ''],
  ['no delimiter', 'key=value'],
  ['no closing delimiter', `--b\r\n${HEAD}x\r\n--b\r\n`],
  ['half a closing delimiter', `--b\r\n${HEAD}x\r\n--b-`],
  ['a line that goes on after the boundary', `--b\r\n${HEAD}x\r\n--bc\r\n--b--`],
  ['bare line feeds', `--b\n${HEAD.replaceAll('\r', '')}x\n--b--`],
  ['no name', `--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--`],
  ['another disposition', `--b\r\nContent-Disposition: file; name="a"\r\n\r\nx\r\n--b--`],
  ['no disposition', '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--'],
  ['two dispositions', `--b\r\n${HEAD.trimEnd()}\r\n${HEAD}x\r\n--b--`],
  ['two names', '--b\r\nContent-Disposition: form-data; name="a"; Name=b\r\n\r\nx\r\n--b--'],
  [
    'a quote that is not closed',
    '--b\r\nContent-Disposition: form-data; name="a\r\n\r\nx\r\n--b--',
  ],
  [
    'a name that is not UTF-8',
    '--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--b--',
  ],
  ['a line that is no header', `--b\r\nnothing\r\n${HEAD}x\r\n--b--`],
]

const UNUSUAL_BODIES: [string, string, string | undefined][] = [
  ['a preamble', `ignored\r\n--b\r\n${HEAD}x\r\n--b--`, 'x'],
  ['white space after a delimiter', `--b \t\r\n${HEAD}x\r\n--b  \r\n${HEAD}\r\n--b--`, 'x'],
  ['an epilogue', `--b\r\n${HEAD}x\r\n--b--\r\n--b\r\nignored`, 'x'],
  ['a part without content', `--b\r\n${HEAD}\r\n--b--`, ''],
  ['a part that ends with its headers', `--b\r\n${HEAD}--b--`, ''],
  ['the boundary within a line', `--b\r\n${HEAD}--b\r\nx --b\r\n--b--`, undefined],
  ['headers without a meaning', `--b\r\nX-Y: z\r\n${HEAD}x\r\n--b--`, 'x'],
]

describe('forms in multipart/form-data', () => {
  test('are parsed exactly, however their bytes are cut', () => {
    const names = fc.constantFrom('key', 'file', 'x-amz-meta-é', 'a b')
    const files = fc.option(fc.constantFrom('', 'a.txt', 'C:\\dir\\a;b=c.txt'), { nil: undefined })
    const parts = fc.array(fc.record({ name: names, filename: files, value: contents }), {
      maxLength: 5,
    })
    fc.assert(
      fc.property(
        parts,
        contents,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 }),
        (sent, after, sizes) => {
          const form = sent.map(({ filename, ...part }) =>
            filename === undefined ? part : { ...part, filename },
          )
          const body = Buffer.concat([encodeForm(form), Buffer.from(after)])
          const pieces = cut(body, sizes)
          const expected = sent.map(({ name, filename, value }) => {
            return { name, filename, content: Buffer.from(value).toString('latin1') }
          })
          if (sent.length === 0) return
          expect(parse(pieces)).toEqual(expected)
          expect(parse([...body].map((byte) => Buffer.of(byte)))).toEqual(expected)
        },
      ),
      { numRuns: 300 },
    )
  })

  test.each(UNUSUAL_BODIES)('%s', (_, body, content) => {
    if (content === undefined) expect(() => parse(text(body), 'b')).toThrow()
    else expect(parse(text(body), 'b')[0]?.content).toBe(content)
  })

  test.each(MALFORMED_BODIES)('malformed: %s', (_, body) => {
    expect(() => parse(text(body), 'b')).toThrow(
      expect.objectContaining({ code: 'MalformedPOSTRequest' }),
    )
  })

  test('an encoding of a part that would change its bytes is not implemented', () => {
    const body = `--b\r\nContent-Transfer-Encoding: base64\r\n${HEAD}eA==\r\n--b--`
    expect(() => parse(text(body), 'b')).toThrow(
      expect.objectContaining({ code: 'NotImplemented' }),
    )
    expect(parse(text(body.replace('base64', 'BINARY')), 'b')).toHaveLength(1)
  })

  test('boundaries', () => {
    expect(multipartBoundary('multipart/form-data; boundary=----abc')).toBe('----abc')
    expect(multipartBoundary('Multipart/Form-Data ;charset=utf-8; Boundary="a b:c"')).toBe('a b:c')
    for (const bad of [
      '',
      ';boundary=',
      '; boundary="a "',
      `; boundary=${'b'.repeat(71)}`,
      '; boundary=ü',
    ]) {
      expect(() => multipartBoundary(`multipart/form-data${bad}`), bad).toThrow()
    }
    expect(isMultipartForm('multipart/form-data')).toBe(true)
    for (const other of [undefined, '', 'multipart/form-database', 'multipart/mixed; boundary=b']) {
      expect(isMultipartForm(other)).toBe(false)
    }
  })
})
