import { expect, it } from 'vitest'
import { RequestAborted } from '../http/exchange.ts'
import { queryFailure } from './query-api.ts'

it('an aborted request is not a failure of the server', () => {
  const logged: unknown[] = []
  const unavailable: unknown[] = []
  const response = queryFailure(new RequestAborted('deadline'), 'iam', {
    requestId: 'ID',
    log: (error) => logged.push(error),
    unavailable: (error) => unavailable.push(error),
  })
  expect(response.status).toBe(503)
  expect(response.body).toContain('<Code>ServiceUnavailable</Code>')
  expect(logged).toEqual([])
  expect(unavailable).toHaveLength(1)
})
