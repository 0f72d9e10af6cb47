import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFORMANCE_CASES, runCase } from './conformance.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'
import { waitFor } from '../testing/http-world.ts'
import { joinThreads, type Joined } from '../threads/testing/joined.ts'

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

describe('the gateway with its backend across the port of threads behaves like S3', () => {
  let server: TestGateway
  let joined: Joined
  beforeAll(async () => {
    server = await startGateway({
      backend: (memory) => {
        joined = joinThreads(memory)
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
