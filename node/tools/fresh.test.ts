import { describe, expect, test } from 'vitest'
import { FreshCache, type Fresh } from './fresh.ts'

function world(entriesMax = 100) {
  const time = { nowMs: 5_000 }
  const cache = new FreshCache<string>({ monotonicMs: () => time.nowMs }, entriesMax)
  const reads: { settle: (value: string) => void; fail: (error: Error) => void }[] = []
  const get = (name = 'a', ageMs = 1_000): Promise<Fresh<string>> =>
    cache.get(
      name,
      ageMs,
      (startedMs) =>
        new Promise((resolve, reject) => {
          reads.push({ settle: (value) => resolve({ value, sinceMs: startedMs }), fail: reject })
        }),
    )
  return { time, cache, reads, get }
}

describe('values that may be used only while they are young (T7)', () => {
  test('age counts from before the read was begun', async () => {
    const { time, reads, get, cache } = world()
    const first = get()
    time.nowMs += 900
    reads[0]?.settle('one')
    expect(await first).toEqual({ value: 'one', sinceMs: 5_000 })
    time.nowMs += 99
    expect((await get()).value).toBe('one')
    expect(cache.peek('a', 1_000)?.value).toBe('one')
    time.nowMs += 1
    expect(cache.peek('a', 1_000)).toBeUndefined()
    const second = get()
    reads[1]?.settle('two')
    expect((await second).value).toBe('two')
    expect(reads).toHaveLength(2)
  })

  test('many who ask at once share one read', async () => {
    const { reads, get } = world()
    const all = Promise.all([get(), get(), get(), get('b')])
    reads[0]?.settle('a')
    reads[1]?.settle('b')
    expect((await all).map(({ value }) => value)).toEqual(['a', 'a', 'a', 'b'])
    expect(reads).toHaveLength(2)
  })

  test('a read that was begun too long ago is not joined', async () => {
    const { time, reads, get } = world()
    const slow = get()
    time.nowMs += 1_000
    const later = get()
    expect(reads).toHaveLength(2)
    reads[1]?.settle('new')
    expect((await later).value).toBe('new')
    reads[0]?.settle('old')
    expect((await slow).value).toBe('old')
    // What was overtaken is not kept.
    expect((await get()).value).toBe('new')
  })

  test('a joined read whose value is older than it began is not enough', async () => {
    const { time, cache } = world()
    let count = 0
    const read = (startedMs: number): Promise<Fresh<string>> => {
      count++
      // Put together of what another cache has known for 900 ms, the first time.
      return Promise.resolve({ value: `v${count}`, sinceMs: count === 1 ? 4_100 : startedMs })
    }
    const first = cache.get('a', 1_000, read)
    time.nowMs += 200
    const second = cache.get('a', 1_000, read)
    expect((await first).value).toBe('v1')
    expect((await second).value).toBe('v2')
  })
})

describe('what a cache of young values keeps', () => {
  test('when it can not be read again, nothing is returned', async () => {
    const { time, reads, get } = world()
    const first = get()
    reads[0]?.settle('one')
    await first
    time.nowMs += 1_000
    const second = get()
    reads[1]?.fail(new Error('cut off'))
    await expect(second).rejects.toThrow('cut off')
    const third = get()
    reads[2]?.settle('three')
    expect((await third).value).toBe('three')
  })

  test('dropped: read again, and a read under way is not kept', async () => {
    const { reads, get, cache } = world()
    const first = get()
    cache.drop('a')
    reads[0]?.settle('before the change')
    await first
    const second = get()
    expect(reads).toHaveLength(2)
    reads[1]?.settle('after')
    expect((await second).value).toBe('after')
    cache.clear()
    void get()
    expect(reads).toHaveLength(3)
  })

  test('it holds a bounded number, the last read ones', async () => {
    const { reads, get, cache } = world(2)
    for (const [at, name] of ['a', 'b', 'c'].entries()) {
      const one = get(name)
      reads[at]?.settle(name)
      await one
    }
    expect(cache.peek('a', 1_000)).toBeUndefined()
    expect(cache.peek('b', 1_000)?.value).toBe('b')
    expect(cache.peek('c', 1_000)?.value).toBe('c')
  })
})

describe('a read of a young value that fails', () => {
  test('a failure of a read that began earlier is not shared: NoSuchBucket after CreateBucket', async () => {
    const { reads, get } = world()
    const before = get()
    // The bucket is created and acknowledged here.
    const after = get()
    reads[0]?.fail(new Error('NoSuchBucket'))
    await expect(before).rejects.toThrow('NoSuchBucket')
    await Promise.resolve()
    expect(reads).toHaveLength(2)
    reads[1]?.settle('created')
    expect((await after).value).toBe('created')
  })

  test('all that waited for a failed read share one more, failures included', async () => {
    const { reads, get } = world()
    const first = get()
    const others = [get(), get(), get()].map((one) => one.catch((error: Error) => error.message))
    reads[0]?.fail(new Error('one'))
    await expect(first).rejects.toThrow('one')
    await Promise.resolve()
    expect(reads).toHaveLength(2)
    reads[1]?.fail(new Error('two'))
    expect(await Promise.all(others)).toEqual(['two', 'two', 'two'])
    expect(reads).toHaveLength(2)
  })
})
