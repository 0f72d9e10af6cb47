/** When the watcher ends requests in flight. */

import { expect, test } from 'vitest'
import { Exchange, type AbortCause } from '../http/exchange.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { Watch, WATCH_LIMITS } from './watch.ts'

class SlowClient extends Exchange {
  answers = false
  bytes = 0

  override get isAnswering(): boolean {
    return this.answers
  }

  override progressBytes(): number {
    return this.bytes
  }

  override waitsForClient(): boolean {
    return true
  }
}

test.each([
  ['a body that is kept whole', false, 'too-slow'],
  ['its answer', true, undefined],
] as const)('the deadline is for the body: %s', (_name, isAnswering, expected) => {
  const clock = new ManualClock()
  const aborted: AbortCause[] = []
  const watch = new Watch(clock, WATCH_LIMITS, {
    abort: (_exchange, cause) => void aborted.push(cause),
    givenUp: () => {},
  })
  const exchange = new SlowClient('1', clock.monotonicMs())
  exchange.gatherUntilMs = clock.monotonicMs() + 60_000
  exchange.answers = isAnswering
  watch.add(exchange)
  for (let looks = 0; looks < 20; looks++) {
    exchange.bytes += 10_000
    clock.advance(WATCH_LIMITS.lookEveryMs)
  }
  expect(aborted[0]).toBe(expected)
  watch.stop()
})
