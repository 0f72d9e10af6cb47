/** Limits that several gateways of a process share. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Admission, ADMISSION_LIMITS } from './admission.ts'
import { Exchange } from '../http/exchange.ts'
import { systemClock } from '../testing/gateway.ts'
import { budgetsOf } from './process-budget.ts'
import { SharedBudget, type Budgets, type Lease, type ShareHolder } from './shares.ts'
import { countsNothing, limitsMemory } from './testing/limits-memory.ts'
import type { ShareWorkerData, ShareWorkerResult } from './testing/share-worker.ts'

/** The budgets of so many threads, on one memory. */
function threadsOf(memory: SharedArrayBuffer, count: number): readonly Budgets[] {
  return Array.from({ length: count }, () => budgetsOf(memory))
}

function holders(caller: string, account: string): ShareHolder[] {
  return [
    { name: `caller ${caller}`, share: 0.4 },
    { name: `account ${account}`, share: 0.75 },
  ]
}

const CALLERS = [holders('ann', '1'), holders('bob', '1'), holders('eve', '2')]

describe('a budget of several threads', () => {
  test('answers as one budget does, whichever thread takes and gives, and is empty in the end', () => {
    const amount = fc.nat(40)
    const step = fc.record({
      kind: fc.constantFrom('take', 'take', 'grow', 'move', 'give'),
      thread: fc.nat(2),
      caller: fc.nat(CALLERS.length - 1),
      lease: fc.nat(),
      amount,
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const memory = limitsMemory()
        const threads = threadsOf(memory, 3).map((budgets) => budgets('bodies', 100))
        const model = new SharedBudget(100)
        const leases: [Lease, Lease][] = []
        for (const { kind, thread, caller, lease: at, amount } of steps) {
          const who = CALLERS[caller]!
          const [real, expected] = leases[at % Math.max(1, leases.length)] ?? []
          if (kind === 'take') {
            const [taken, wanted] = [threads[thread]!.take(who, amount), model.take(who, amount)]
            expect(taken?.held).toBe(wanted?.held)
            if (taken !== undefined && wanted !== undefined) leases.push([taken, wanted])
          } else if (kind === 'grow') expect(real?.grow(amount)).toBe(expected?.grow(amount))
          else if (kind === 'move') expect(real?.moveTo(who)).toBe(expected?.moveTo(who))
          else for (const each of [real, expected]) each?.giveBack()
          expect(real?.held).toBe(expected?.held)
          expect(threads.reduce((sum, { used }) => sum + used, 0)).toBe(model.used)
        }
        for (const [real] of leases) real.giveBack()
        expect(threads.map(({ used }) => used)).toEqual([0, 0, 0])
        expect(countsNothing(memory)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('refuses nobody because many others hold a little', () => {
    const memory = limitsMemory()
    const [one, two] = threadsOf(memory, 2).map((budgets) => budgets('places', 4096))
    const leases: (Lease | undefined)[] = []
    for (let at = 0; at < 3000; at++) {
      const who = [{ name: `caller ${at}`, share: 0.01 }]
      leases.push((at % 2 === 0 ? one : two)?.take(who, 1))
    }
    for (let at = 0; at < 30; at++) leases.push(two?.take([{ name: 'caller 7', share: 0.01 }], 1))
    expect(leases).not.toContain(undefined)
    for (const lease of leases) lease?.giveBack()
    expect(countsNothing(memory)).toBe(true)
  })

  test('counts more bytes than a word has, in larger units', () => {
    const memory = limitsMemory()
    const size = 2 ** 40
    const [one, two] = threadsOf(memory, 2).map((budgets) => budgets('bodies', size))
    const who = [{ name: 'ann', share: 0.5 }]
    const half = one?.take(who, size / 2 - 1)
    expect(half?.held).toBe(size / 2 - 1)
    expect(half?.grow(1)).toBe(true)
    expect(two?.take(who, 1)).toBeUndefined()
    const rest = two?.take([{ name: 'bob', share: 1 }], size / 2)
    expect(rest?.held).toBe(size / 2)
    expect(one?.take([{ name: 'eve', share: 1 }], 1)).toBeUndefined()
    rest?.giveBack()
    half?.giveBack()
    expect(countsNothing(memory)).toBe(true)
  })
})

const workers: Worker[] = []
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate()
})

test('real threads never exceed a total or a share, and leave nothing behind', async () => {
  const limits = limitsMemory()
  const data: ShareWorkerData = { limits, counts: new SharedArrayBuffer(16), rounds: 200_000 }
  for (let at = 0; at < 3; at++) {
    const file = new URL('./testing/share-worker.ts', import.meta.url)
    const worker = new Worker(file, { workerData: data })
    workers.push(worker)
    await once(worker, 'message')
  }
  const results = workers.map((worker) => once(worker, 'message'))
  for (const worker of workers) worker.postMessage('go')
  const said = (await Promise.all(results)).map(([result]) => result as ShareWorkerResult)
  expect(said.map(({ exceeded }) => exceeded)).toEqual([0, 0, 0])
  expect(Math.min(...said.map(({ got }) => got))).toBeGreaterThan(0)
  expect(countsNothing(limits)).toBe(true)
})

describe('requests of two gateways', () => {
  function admissions(memory: SharedArrayBuffer): Admission[] {
    const limits = { ...ADMISSION_LIMITS, requestsMax: 8, bodyBytesMax: 4000 }
    const shares = { address: 1, caller: 1 }
    return threadsOf(memory, 2).map(
      (budgets) => new Admission(systemClock, { ...limits, shares }, () => {}, budgets),
    )
  }

  test('have their places together, and each says what its own hold', () => {
    const memory = limitsMemory()
    const [one, two] = admissions(memory) as [Admission, Admission]
    const exchanges = Array.from({ length: 8 }, (_, at) => new Exchange(String(at), 0))
    for (const exchange of exchanges.slice(0, 3)) one.enter(exchange, '192.0.2.1')
    for (const exchange of exchanges.slice(3)) two.enter(exchange, '192.0.2.2')
    const ninth = new Exchange('9', 0)
    expect(() => one.enter(ninth, '192.0.2.3')).toThrow('reduce your request rate')
    one.leave(ninth)
    expect([one.requests, two.requests]).toEqual([3, 5])
    for (const exchange of exchanges) for (const each of [one, two]) each.leave(exchange)
    expect(countsNothing(memory)).toBe(true)
  })

  test('have their memory for bodies together', () => {
    const memory = limitsMemory()
    const [one, two] = admissions(memory) as [Admission, Admission]
    const [first, second] = [new Exchange('1', 0), new Exchange('2', 0)]
    one.enter(first, '192.0.2.1')
    two.enter(second, '192.0.2.2')
    // Too large for the reserve of small ones. Strangers have half of the 3000 bytes, all together.
    one.gather(first, 100_000)
    two.gather(second, 100_000)
    one.gathered(first, 1000)
    expect(() => two.gathered(second, 501)).toThrow('reduce your request rate')
    two.gathered(second, 500)
    expect(() => one.gathered(first, 1)).toThrow('reduce your request rate')
    expect([one.bodyBytes, two.bodyBytes]).toEqual([1000, 500])
    one.leave(first)
    two.leave(second)
    expect(countsNothing(memory)).toBe(true)
  })
})
