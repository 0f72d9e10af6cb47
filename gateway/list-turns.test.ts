/** Pages of lists that are asked for together are read in several turns of the event loop. */

import { expect, test } from 'vitest'
import { sendRaw } from './conformance/world.ts'
import { systemClock } from './testing/gateway.ts'
import { alteredBackend, gatewayForEachTest } from './testing/http-world.ts'
import { letPass, untilHolds } from './testing/overload-world.ts'

const start = gatewayForEachTest()

test('two pages of 1,000 entries are read in a turn, and many small ones', async () => {
  const due: (() => void)[] = []
  let begun = 0
  const gateway = await start({
    clock: {
      ...systemClock,
      after(delayMs, run) {
        if (delayMs > 0) return systemClock.after(delayMs, run)
        due.push(run)
        return () => {}
      },
    },
    backend: (memory) =>
      alteredBackend(memory, {
        listObjects: (...order) => {
          begun++
          return memory.listObjects(...order)
        },
      }),
  })
  const endTurn = (): void => {
    for (const run of due.splice(0)) run()
  }
  const list = (keys: string): Promise<{ status: number }> =>
    sendRaw(gateway.target, { path: '/bucket', query: [['max-keys', keys]] })

  const large = Array.from({ length: 5 }, () => list('1000'))
  await untilHolds(() => gateway.metrics.inFlight >= 3 && begun >= 2)
  await letPass(200)
  expect(begun).toBe(2)
  endTurn()
  await untilHolds(() => begun === 4)
  await letPass(200)
  expect(begun).toBe(4)
  endTurn()
  expect((await Promise.all(large)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])

  endTurn()
  const small = Array.from({ length: 20 }, () => list('10'))
  expect((await Promise.all(small)).every(({ status }) => status === 200)).toBe(true)
})
