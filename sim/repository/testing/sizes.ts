/** No file and no function grows past what one can read at once. */

import { describe, expect, it } from 'vitest'
import { linesOf } from '../figures.ts'
import { parseSyntax } from '../syntax.ts'
import { parsed, sources } from './checkout.ts'

const FILE_LINES_MAX = 400
const FUNCTION_LINES_MAX = 70

describe('sizes', () => {
  it(`no file has more than ${FILE_LINES_MAX} lines`, () => {
    const large = sources
      .map(({ path, text }) => ({ path, lines: linesOf(text) }))
      .filter(({ lines }) => lines > FILE_LINES_MAX)
    expect(large.map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([])
  })

  it(`no function has more than ${FUNCTION_LINES_MAX} lines`, () => {
    const large = parsed
      .flatMap(({ path, functions }) => functions.map((each) => ({ path, ...each })))
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
    expect(
      large.map(({ path, name, line, lines }) => `${path}:${line} ${name}: ${lines} lines`),
    ).toEqual([])
  })
})

describe('the parser', () => {
  const text = [
    "import { assert } from './assert.ts'",
    '/** Says why. */',
    'export class Store {',
    '  // First line,',
    '  // second line.',
    '  put(key: string): void {',
    '    assert(key !== "")',
    '    const each = (at: number) => `//${at}`',
    '    throw new StoreError(`no room for ${key}`, each)',
    '  }',
    '}',
    '',
  ].join('\n')

  it('finds functions with their names and lines', () => {
    expect(parseSyntax(text).functions).toEqual([
      { name: 'Store.put', line: 6, lines: 5 },
      { name: 'each', line: 8, lines: 1 },
    ])
  })

  it('finds comments, messages and asserts', () => {
    const { comments, commentLines, messages, asserts } = parseSyntax(text)
    expect(comments).toEqual([
      { line: 2, text: '/** Says why. */' },
      { line: 4, text: '// First line,\n// second line.' },
    ])
    expect(commentLines).toBe(3)
    expect(messages).toEqual([{ line: 9, text: 'no room for ${key}' }])
    expect(asserts).toBe(1)
  })
})
