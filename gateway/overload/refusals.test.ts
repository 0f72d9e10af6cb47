import { expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import type { GatewayClock } from '../http/clock.ts'
import type { Exchange } from '../http/exchange.ts'
import { reasonOf, Refusals } from './refusals.ts'

test('refusals are counted by reason, and a burst of them makes two lines', () => {
  const lines: unknown[] = []
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (fields: Record<string, unknown>) => lines.push(fields['reasons']),
  }
  let due = (): void => {}
  const clock = {
    after: (_: number, run: () => void) => {
      due = run
      return () => {}
    },
  } as unknown as GatewayClock
  const refusals = new Refusals(clock, logger)
  const error = new StoreError('Unavailable', 'no majority')
  for (let i = 0; i < 100; i++) refusals.note(reasonOf(error, {} as Exchange))
  for (let i = 0; i < 100; i++) refusals.note(`key-${i}`)
  due()
  expect(refusals.byReason.get('no majority')).toBe(100)
  expect(refusals.byReason.size).toBeLessThanOrEqual(25)
  expect(lines).toHaveLength(2)
  expect(lines[0]).toEqual({ 'no majority': 1 })
  expect(lines[1]).toMatchObject({ 'no majority': 99 })
})
