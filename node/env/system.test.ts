import { expect, test, vi } from 'vitest'
import { SystemClock, SystemRandom } from './system.ts'

test('a delay beyond the limit of setTimeout does not fire at once', () => {
  vi.useFakeTimers()
  try {
    const clock = new SystemClock()
    const days30Ms = 30 * 24 * 3600 * 1000
    let fired = 0
    clock.after(days30Ms, () => fired++)
    const cancel = clock.after(days30Ms, () => fired++)
    vi.advanceTimersByTime(days30Ms - 1)
    expect(fired).toBe(0)
    cancel()
    vi.advanceTimersByTime(1)
    expect(fired).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

test('random bytes have their own buffer', () => {
  const random = new SystemRandom()
  expect(random.bytes(12).buffer.byteLength).toBe(12)
  expect(random.float()).toBeLessThan(1)
})

test('no random bytes are given out twice, also where the pool is drawn again', () => {
  const random = new SystemRandom()
  const drawn = Array.from({ length: 3_000 }, (_, i) => random.bytes(8 + (i % 60)))
  const firsts = drawn.map((bytes) => Buffer.from(bytes.subarray(0, 8)).toString('hex'))
  expect(new Set(firsts).size).toBe(3_000)
  expect(firsts).not.toContain('00'.repeat(8))
  expect(random.bytes(0)).toHaveLength(0)
  expect(random.bytes(5_000)).toHaveLength(5_000)
})
