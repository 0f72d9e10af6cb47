import type { Clock } from '../../node/env/ports.ts'
import { SystemClock } from '../../node/env/system.ts'
import { networkCompliance } from '../../node/net/testing/network.compliance.ts'
import { generateNodeKey } from '../../node/net/identity.ts'
import { SimulatedNetwork } from './network.ts'
import { Wires } from './wires.ts'
import { seededRandom } from './seeded-random.ts'

networkCompliance('the simulated network', async (count) => {
  const clock: Clock = new SystemClock()
  const wires = new Wires(clock, seededRandom(1), () => {})
  const networks = Array.from(
    { length: count },
    () => new SimulatedNetwork(wires, generateNodeKey().nodeId),
  )
  for (const network of networks) await network.start()
  return {
    networks,
    run: (promise) => promise,
    until: async (condition) => {
      while (!condition()) await new Promise<void>((resolve) => void clock.after(2, resolve))
    },
    close: async () => {
      for (const network of networks) await network.stop()
    },
  }
})
