import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFORMANCE_CASES, runCase } from './conformance.ts'
import { startGateway, type TestGateway } from '../testing/gateway.ts'

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
