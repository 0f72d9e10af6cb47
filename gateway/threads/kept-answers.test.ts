import { beforeEach, describe, expect, test } from 'vitest'
import type { Timed } from '../port/rights.ts'
import { KeptAnswers, type KeptAnswersOptions } from './kept-answers.ts'

let nowMs: number
let version: number
/** Calls that the core has not answered, the oldest first. */
let waiting: (PromiseWithResolvers<Timed<string>> & { readonly ageMs: number })[]

beforeEach(() => {
  nowMs = 10_000
  version = 0
  waiting = []
})

function answers(bounds: Partial<KeptAnswersOptions<string>> = {}): KeptAnswers<string> {
  return new KeptAnswers({
    monotonicMs: () => nowMs,
    version: () => version,
    entriesMax: 100,
    bytesMax: 1_000_000,
    charactersOf: (text) => text.length,
    ...bounds,
  })
}

const ask = (ageMs: number): Promise<Timed<string>> => {
  const call = { ...Promise.withResolvers<Timed<string>>(), ageMs }
  waiting.push(call)
  return call.promise
}

const answer = (value: string, usableMs = 1_000): void =>
  waiting.shift()!.resolve({ value, usableMs })

/** What is kept for the key is used, else the core is asked. */
async function use(kept: KeptAnswers<string>, key = 'k'): Promise<string> {
  return (kept.peek(key, ask) ?? { value: await kept.get(key, ask) }).value
}

async function filled(kept: KeptAnswers<string>, value: string, key = 'k', usableMs = 1_000) {
  const used = use(kept, key)
  answer(value, usableMs)
  expect(await used).toBe(value)
}

describe('the age of an answer (T7)', () => {
  test('in the core and in the thread adds up', async () => {
    const kept = answers()
    await filled(kept, 'read 0.9 s ago', 'k', 100)
    nowMs += 99
    expect(kept.peek('k', ask)?.value).toBe('read 0.9 s ago')
    nowMs += 1
    expect(kept.peek('k', ask)).toBeUndefined()
    expect(kept.size).toEqual({ entries: 0, bytes: 0 })
  })

  test('counts from before the thread asked', async () => {
    const kept = answers()
    const used = use(kept)
    nowMs += 950
    answer('slow')
    expect(await used).toBe('slow')
    nowMs += 50
    expect(kept.peek('k', ask)).toBeUndefined()
  })

  test('is not known of an answer that may be used once', async () => {
    const kept = answers()
    await filled(kept, 'once', 'k', 0)
    expect(kept.size.entries).toBe(0)
  })

  test('is kept low while the answer is in use: it is asked for again when half its time is left', async () => {
    const kept = answers()
    await filled(kept, 'first')
    nowMs += 499
    expect(await use(kept)).toBe('first')
    expect(waiting).toEqual([])
    nowMs += 1
    expect([await use(kept), await use(kept)]).toEqual(['first', 'first'])
    expect(waiting.map(({ ageMs }) => ageMs)).toEqual([500])
    answer('second')
    await Promise.resolve()
    await Promise.resolve()
    nowMs += 499
    expect(kept.peek('k', ask)?.value).toBe('second')
  })

  test('is not stretched by a failure to ask again', async () => {
    const kept = answers()
    await filled(kept, 'first')
    nowMs += 999
    expect(await use(kept)).toBe('first')
    waiting.shift()!.reject(new Error('cut off'))
    await Promise.resolve()
    nowMs += 1
    const used = use(kept)
    waiting.shift()!.reject(new Error('still cut off'))
    await expect(used).rejects.toThrow('still cut off')
  })
})

describe('many callers at once', () => {
  test('make one call', async () => {
    const kept = answers()
    const all = Promise.all(Array.from({ length: 50 }, () => use(kept)))
    expect(waiting).toHaveLength(1)
    answer('shared')
    expect(new Set(await all)).toEqual(new Set(['shared']))
    expect(waiting).toEqual([])
  })

  test('ask again when the call that they joined is too old for them', async () => {
    const kept = answers()
    const first = use(kept)
    nowMs += 300
    const second = use(kept)
    answer('may be used for 300 ms', 300)
    expect(await first).toBe('may be used for 300 ms')
    await Promise.resolve()
    answer('newer')
    expect(await second).toBe('newer')
  })

  test('ask again when it failed, but fail with a call that began after their own', async () => {
    const kept = answers()
    const first = use(kept)
    const second = use(kept)
    const third = use(kept)
    waiting.shift()!.reject(new Error('old'))
    await expect(first).rejects.toThrow('old')
    expect(waiting).toHaveLength(1)
    waiting.shift()!.reject(new Error('new'))
    await expect(second).rejects.toThrow('new')
    await expect(third).rejects.toThrow('new')
    await filled(kept, 'then')
  })
})

describe('when the core has forgotten', () => {
  test('nothing is used that was kept', async () => {
    const kept = answers()
    await filled(kept, 'before')
    version++
    const used = use(kept)
    answer('after')
    expect(await used).toBe('after')
    expect(await use(kept)).toBe('after')
  })

  test('nobody joins a call that began before, and its answer is not kept', async () => {
    const kept = answers()
    const early = use(kept)
    version++
    const late = use(kept)
    expect(waiting).toHaveLength(2)
    answer('before')
    expect(await early).toBe('before')
    answer('after')
    expect(await late).toBe('after')
    expect(await use(kept)).toBe('after')
    expect(kept.size.entries).toBe(1)
  })
})

describe('bounds', () => {
  test('of entries: the longest unused goes first', async () => {
    const kept = answers({ entriesMax: 2 })
    await filled(kept, '1', 'a')
    await filled(kept, '2', 'b')
    expect(await use(kept, 'a')).toBe('1')
    await filled(kept, '3', 'c')
    expect(kept.peek('b', ask)).toBeUndefined()
    expect(kept.peek('a', ask)?.value).toBe('1')
    expect(kept.size.entries).toBe(2)
  })

  test('of bytes, counted with the keys', async () => {
    const kept = answers({ bytesMax: 10_000 })
    for (let key = 0; key < 20; key++) await filled(kept, 'x'.repeat(1_000), `k${key}`)
    expect(kept.size.bytes).toBeLessThanOrEqual(10_000)
    expect(kept.size.entries).toBe(3)
    await filled(kept, 'large', 'x'.repeat(10_000))
    expect(kept.size.entries).toBe(3)
    version++
    for (let key = 0; key < 20; key++) expect(kept.peek(`k${key}`, ask)).toBeUndefined()
    expect(kept.size).toEqual({ entries: 0, bytes: 0 })
  })
})
