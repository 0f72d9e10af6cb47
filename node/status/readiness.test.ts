import { expect, it } from 'vitest'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { untilReady } from './readiness.ts'
import { UsageError } from '../tools/usage-error.ts'

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

it('throws when the node learns that it was removed: it will never be ready', async () => {
  const clock = new StreamClock()
  let left: number | undefined
  let role: 'source' | undefined = 'source'
  const ready = untilReady(
    { clock, logger: QUIET },
    { notReadyReason: () => 'only 1 of 3 members are up' },
    () => false,
    { leftIn: () => left, role: () => role },
  )
  let ended = false
  ready.then(
    () => (ended = true),
    () => (ended = true),
  )
  const pass = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      clock.advance(50)
      await Promise.resolve()
      await Promise.resolve()
    }
  }
  await pass()
  left = 15
  await pass()
  // Other nodes still copy from this node, so it goes on.
  expect(ended).toBe(false)
  role = undefined
  await pass()
  await expect(ready).rejects.toThrow(UsageError)
  await expect(ready).rejects.toThrow(
    'this node was removed from the cluster in epoch 15: empty its data directory to join again',
  )
})
