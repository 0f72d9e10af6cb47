import { expect, test } from 'vitest'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { watchTurns } from './turn-watch.ts'

async function rest(): Promise<void> {
  await new Promise<void>((resolve) => void setTimeout(resolve, 40))
}

test('a long turn is told for one to two windows', async () => {
  const clock = new StreamClock()
  const watch = watchTurns(clock)
  await rest()
  const untilMs = performance.now() + 150
  while (performance.now() < untilMs);
  while (watch.longestSeconds() <= 0.1) await rest()
  clock.advance(60_000)
  expect(watch.longestSeconds()).toBeGreaterThan(0.1)
  watch.stop()
  expect(clock.timers).toBe(0)
})
