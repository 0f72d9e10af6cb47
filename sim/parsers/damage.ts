/** Inputs that are no longer valid, or still are: small edits of valid ones, and texts that are mere noise. */

import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'

/** What parsers stumble over. */
const TOKENS = [
  '',
  ' ',
  '  ',
  '\t',
  '\r\n',
  '\n',
  '\r',
  '\0',
  '"',
  "'",
  '\\',
  '/',
  '//',
  '..',
  '%',
  '%00',
  '%2F',
  '%zz',
  '+',
  '&',
  '=',
  ';',
  ',',
  ':',
  '*',
  '?',
  '-',
  '_',
  '.',
  '<',
  '>',
  '</',
  '/>',
  '<!--',
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE a>',
  '&amp;',
  '&#0;',
  '&#x41;',
  '{',
  '}',
  '[',
  ']',
  '${',
  '$',
  '#',
  '0',
  '1',
  '-1',
  '00',
  '007',
  '1e9',
  '0x10',
  '9007199254740993',
  '18446744073709551616',
  '999999999999999999999',
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  'é',
  '\u00e9',
  '\ufeff',
  '\ud800',
  '😀',
  '\u00a0',
  '\u2028',
  'İ',
  'GMT',
  'bytes=',
  'arn:aws:s3:::',
]

/** What grammars allow again and again: white space, digits, separators, openings. */
const PUMPS = [
  ' ',
  '\t',
  ' \t',
  '0',
  '9',
  'a',
  'aB',
  '/',
  '.',
  '-',
  '=',
  ',',
  ';',
  '&',
  '"',
  '%20',
  '*',
  '?',
  '${',
  '[',
  '{',
  '<a>',
  '<a/>',
  '&lt;',
  '\r\n',
  '\n',
]

/** Noise of these alone is refused at once; together with words it gets further. */
const NOISE = '<>&;"\'=/\\%+*?:,.-_{}[]() \t\r\nabcxyzABC0123456789é\u0000\uffff'

/** A whole piece of the grammar is left out, repeated, or exchanged for one of another valid input. */
export function rearranged(
  valid: string,
  other: () => string,
  pieces: RegExp,
  random: SmallRandom,
): string {
  const found = [...valid.matchAll(pieces)]
  if (found.length === 0) return valid
  const { index, 0: piece } = random.pick(found)
  const [before, after] = [valid.slice(0, index), valid.slice(index + piece.length)]
  switch (random.below(4)) {
    case 0:
      return before + after
    case 1:
      return before + piece + piece + after
    case 2: {
      const others = [...other().matchAll(pieces)]
      return others.length === 0 ? before + after : before + random.pick(others)[0] + after
    }
    default: {
      const last = random.pick(found)
      if (last.index <= index) return before + random.pick(found)[0] + after
      return (
        before +
        last[0] +
        valid.slice(index + piece.length, last.index) +
        piece +
        valid.slice(last.index + last[0].length)
      )
    }
  }
}

export function damaged(valid: string, other: () => string, random: SmallRandom): string {
  let text = valid
  for (let edits = 1 + random.below(3); edits > 0; edits--) text = edited(text, other, random)
  return text
}

function edited(text: string, other: () => string, random: SmallRandom): string {
  const at = random.below(text.length + 1)
  const length = 1 + random.below(random.chance(0.8) ? 3 : 40)
  const [before, after] = [text.slice(0, at), text.slice(at)]
  switch (random.below(8)) {
    case 0:
      return before + text.slice(at + length)
    case 1:
      return before + random.pick(TOKENS) + after
    case 2:
      return before + random.pick(TOKENS) + text.slice(at + length)
    case 3:
      return before + text.slice(at, at + length) + after
    case 4:
      return before + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 5:
      return random.chance(0.5) ? before : after
    case 6: {
      const donor = other()
      const from = random.below(donor.length + 1)
      return before + donor.slice(from, from + length * 4) + text.slice(at + length)
    }
    default:
      return before + swappedCase(text.slice(at, at + length)) + text.slice(at + length)
  }
}

function swappedCase(text: string): string {
  const upper = text.toUpperCase()
  return upper === text ? text.toLowerCase() : upper
}

export function noise(random: SmallRandom): string {
  let text = ''
  for (let left = random.below(30); left > 0; left--) {
    text += random.chance(0.3) ? random.pick(TOKENS) : (NOISE[random.below(NOISE.length)] as string)
  }
  return text
}

/** A piece of the text again and again, up to the longest input: what a slow search or a deep descent needs. */
export function pumped(valid: string, sizeMax: number, random: SmallRandom): string {
  const at = random.below(valid.length + 1)
  const length = 1 + random.below(8)
  const piece = random.chance(0.4) ? valid.slice(at, at + length) : random.pick(PUMPS)
  const room = sizeMax - valid.length
  if (piece === '' || room <= 0) return valid
  // A search goes back only when what follows does not fit.
  const rest = random.chance(0.5) ? valid.slice(at) : random.pick(['', '!', '\0'])
  return valid.slice(0, at) + piece.repeat(Math.floor(room / piece.length)) + rest
}
