/** What admission keeps for each request and address. */

import { expect, test } from 'vitest'
import { Admission, ADMISSION_LIMITS } from './admission.ts'
import { Exchange } from '../http/exchange.ts'
import { systemClock } from '../testing/gateway.ts'
import { budgetsOf } from './process-budget.ts'
import { limitsMemory } from './testing/limits-memory.ts'

test.each([
  ['of its own', undefined],
  ['of the process', limitsMemory()],
])('the addresses of refused strangers are not remembered: limits %s', (_, memory) => {
  const limits = { ...ADMISSION_LIMITS, requestsMax: 40 }
  const admission = new Admission(systemClock, limits, () => {}, budgetsOf(memory))
  const entered: Exchange[] = []
  let refused = 0
  for (let host = 0; host < 30; host++) {
    const exchange = new Exchange(String(host), 0)
    admission.enter(exchange, `192.0.2.${host}`)
    entered.push(exchange)
    try {
      admission.gather(exchange, 1000)
    } catch {
      refused++
    }
  }
  // All strangers together have half of the places.
  expect(refused).toBe(10)
  for (const exchange of entered) admission.leave(exchange)
  expect([admission.requests, admission.bodyBytes, admission.gatheringAddresses]).toEqual([0, 0, 0])
})
