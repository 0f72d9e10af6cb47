import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decimal, listMembers, lowerCase, trim, trimXml, upperCase } from './ascii.ts'

/** Characters beyond ASCII, or control characters, that JavaScript takes for white space. */
const NOT_BLANK = ['\u0085', '\u00a0', '\u1680', '\u2028', '\u3000', '\ufeff', '\v', '\f']

test('blanks are spaces and tabs, in XML also line ends', () => {
  expect(trim(' \t a b\t ')).toBe('a b')
  expect(trim(' \t ')).toBe('')
  expect(trim('a\r\n')).toBe('a\r\n')
  expect(trimXml('\r\n\t a \n')).toBe('a')
  expect(trimXml(undefined)).toBe(undefined)
  for (const one of NOT_BLANK) {
    expect(trim(`${one}a${one}`)).toBe(`${one}a${one}`)
    expect(trimXml(`${one}a${one}`)).toBe(`${one}a${one}`)
  }
})

test('only ASCII letters change their case', () => {
  const bytes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
  const lower = lowerCase(bytes)
  const upper = upperCase(bytes)
  for (let code = 0; code < 256; code++) {
    const letter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
    expect(lower.charCodeAt(code)).toBe(letter ? code | 0x20 : code)
    expect(upper.charCodeAt(code)).toBe(letter ? code & ~0x20 : code)
  }
  // JavaScript turns one letter into two, and other letters into ASCII letters.
  expect(upperCase('ß\u0131\u017f')).toBe('ß\u0131\u017f')
  expect(lowerCase('\u0130\u212a')).toBe('\u0130\u212a')
})

test('lists ignore empty members', () => {
  expect(listMembers(' a, b ,,\tc\t, ')).toEqual(['a', 'b', 'c'])
  expect(listMembers('')).toEqual([])
  expect(listMembers('a\u00a0,b')).toEqual(['a\u00a0', 'b'])
})

test('decimal accepts only digits', () => {
  expect(decimal('0')).toBe(0)
  expect(decimal('007')).toBe(7)
  expect(decimal('999999999999999')).toBe(999_999_999_999_999)
  expect(decimal('12', 1)).toBe(undefined)
  for (const bad of ['', ' ', '1 ', '+1', '-1', '1.5', '1e3', '0x1', '٣', '1\n', '9'.repeat(16)]) {
    expect(decimal(bad), bad).toBe(undefined)
  }
})

test('text in ASCII is treated as JavaScript treats it', () => {
  const ascii = fc.string({ unit: fc.constantFrom('a', 'B', 'z', 'Z', '@', '[', ' ', '\t', ',') })
  fc.assert(
    fc.property(ascii, (text) => {
      expect(trim(text)).toBe(text.trim())
      expect(lowerCase(text)).toBe(text.toLowerCase())
      expect(upperCase(text)).toBe(text.toUpperCase())
    }),
  )
})
