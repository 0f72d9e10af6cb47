import { expect, test } from 'vitest'
import { remembering } from './remembered.ts'

/** A function that counts how often it is worked out. */
function counted(entriesMax: number) {
  const texts: string[] = []
  const ask = remembering(entriesMax, (text) => {
    texts.push(text)
    if (text === 'refused') throw new Error('refused')
    return text === 'nothing' ? undefined : [text]
  })
  return { ask, texts }
}

test('a text is worked out once, whatever its characters', () => {
  const { ask, texts } = counted(8)
  for (const text of ['a', '', 'a\u00e9', '\u0430\ud83d\ude00']) {
    expect(ask(text)).toEqual([text])
    expect(ask(text)).toBe(ask(text))
  }
  expect(texts).toEqual(['a', '', 'a\u00e9', '\u0430\ud83d\ude00'])
})

test('neither failures nor undefined nor long texts are kept', () => {
  const { ask, texts } = counted(8)
  const long = 'x'.repeat(257)
  for (let time = 0; time < 2; time++) {
    expect(() => ask('refused')).toThrow('refused')
    expect(ask('nothing')).toBe(undefined)
    expect(ask(long)).toEqual([long])
  }
  expect(texts).toEqual(['refused', 'nothing', long, 'refused', 'nothing', long])
})

test('a full cache is emptied', () => {
  const { ask, texts } = counted(2)
  for (const text of ['a', 'b', 'c', 'c', 'a']) ask(text)
  expect(texts).toEqual(['a', 'b', 'c', 'a'])
})
