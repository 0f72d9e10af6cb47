import { expect, test } from 'vitest'
import type { Clock } from '../env/ports.ts'
import { WriteRoom } from './write-room.ts'

class HandClock implements Clock {
  ms = 0
  #timers: { atMs: number; run: () => void }[] = []

  nowMs(): number {
    return this.ms
  }

  monotonicMs(): number {
    return this.ms
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.ms + delayMs, run }
    this.#timers.push(timer)
    return () => (this.#timers = this.#timers.filter((each) => each !== timer))
  }

  async pass(ms: number): Promise<void> {
    this.ms += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.ms)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.ms)
    for (const { run } of due) run()
    await settled()
  }
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => void setImmediate(resolve))
}

test('a burst of blocks waits its turn for as long as blocks leave', async () => {
  const clock = new HandClock()
  const room = new WriteRoom(clock, 3)
  const order: number[] = []
  for (let i = 0; i < 100; i++) void room.take(1).then(() => order.push(i))
  await settled()
  expect(order).toEqual([0, 1, 2])
  expect(room.waitingBytes).toBe(97)
  for (let i = 0; i < 97; i++) {
    await clock.pass(20_000)
    room.give(1)
    await settled()
  }
  expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i))
  expect(room.refused).toBe(0)
})

test('when no block leaves any more, the waiting ones are refused and counted (F18)', async () => {
  const clock = new HandClock()
  const room = new WriteRoom(clock, 1)
  await room.take(1)
  const refused = room.take(1).catch((error: unknown) => String(error))
  await clock.pass(30_001)
  expect(await refused).toMatch(/do not accept them/)
  expect(room.refused).toBe(1)
  expect(room.waitingBytes).toBe(0)
})
