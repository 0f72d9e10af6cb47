import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFORMANCE_CASES, runCase } from './conformance.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'
import { waitFor } from '../testing/http-world.ts'
import { joinThreads, type Joined } from '../threads/testing/joined.ts'
import { forgetful, rightsOf } from '../threads/testing/rights.ts'

describe('the gateway with its memory backend behaves like S3', () => {
  let server: TestGateway
  beforeAll(async () => {
    server = await startGateway()
  })
  afterAll(() => server.close())

  for (const each of CONFORMANCE_CASES) {
    test(each.name, async () => {
      await runCase(each, server.target, 'conformance')
      expect(server.errors).toEqual([])
    })
  }
})

describe.each([
  { keeps: 'nothing', monotonicMs: undefined },
  { keeps: 'rights', monotonicMs: () => performance.now() },
])('the gateway across the port of threads, which keeps $keeps, behaves like S3', (kinds) => {
  const { monotonicMs } = kinds
  let server: TestGateway
  let joined: Joined
  beforeAll(async () => {
    server = await startGateway({
      backend: (memory) => {
        const core = rightsOf(memory)
        const kept = monotonicMs && { rights: core.rights, monotonicMs }
        joined = joinThreads(forgetful(memory, core), kept && { kept })
        return joined.thread
      },
    })
  })
  afterAll(async () => {
    await server.close()
    joined.close()
  })

  for (const each of CONFORMANCE_CASES) {
    test(each.name, async () => {
      await runCase(each, server.target, 'conformance')
      expect(server.errors).toEqual([])
      const { core, blocks } = joined
      await waitFor(() => (core.inFlight === 0 && blocks.free === blocks.count) || undefined)
    })
  }
})
