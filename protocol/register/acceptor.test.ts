import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BlockKey, BucketId, OperationId, ProposerId, RegisterKey } from '../ids.ts'
import {
  accept,
  type AcceptorEnv,
  type AcceptorState,
  handle,
  prepare,
  read,
  recovered,
} from './acceptor.ts'
import { type Ballot, compareBallots, sameBallot, ZERO_BALLOT } from './ballot.ts'
import type {
  Accepted,
  AcceptRequest,
  PrepareRequest,
  ReadRequest,
  RegisterRequest,
  RegisterValue,
} from './types.ts'

const KEY = 'key' as RegisterKey
const BUCKET = 'bucket' as BucketId
const ENV: AcceptorEnv = {
  mark: 1000,
  floor: ZERO_BALLOT,
  epoch: 7,
  minimumGeneration: 0,
  holdsBlock: () => false,
  clockMs: 1,
  faulty: false,
}

const ballot = (counter: number, proposer = 'p'): Ballot => ({
  counter,
  proposer: proposer as ProposerId,
})
const value = (operation: string, blocks: string[] = []): RegisterValue => ({
  operation: operation as OperationId,
  tombstone: false,
  body: new Uint8Array(0),
  blocks: blocks as BlockKey[],
})
const accepted = (counter: number, operation = `o${counter}`): Accepted => ({
  ballot: ballot(counter),
  value: value(operation),
})
const ABSENT: AcceptorState = { promised: ZERO_BALLOT }
const holding = (counter: number, promised = counter): AcceptorState => ({
  promised: ballot(promised),
  accepted: accepted(counter),
})
const toPrepare = (counter: number, more: Partial<PrepareRequest> = {}): PrepareRequest => ({
  type: 'prepare',
  key: KEY,
  epoch: 7,
  ballot: ballot(counter),
  ...more,
})
const toAccept = (counter: number, more: Partial<AcceptRequest> = {}): AcceptRequest => ({
  type: 'accept',
  key: KEY,
  epoch: 7,
  ballot: ballot(counter),
  value: value(`o${counter}`),
  next: ballot(counter + 1),
  ...more,
})
const toRead = (more: Partial<ReadRequest> = {}): ReadRequest => ({
  type: 'read',
  key: KEY,
  epoch: 7,
  want: 'value',
  ...more,
})

describe('A1: what survives a crash', () => {
  test('an accepted state is flushed before its reply', () => {
    const ready = accept(ABSENT, ENV, toAccept(3))
    expect(ready.persist).toEqual(accepted(3))
    expect(ready.reports).toEqual(ballot(3))
    expect(ready.reply).toEqual({ type: 'accepted', ballot: ballot(3) })
  })

  test('a promise below the mark needs no flush; one at the mark raises it first', () => {
    expect(prepare(ABSENT, ENV, toPrepare(999)).reserve).toBeUndefined()
    expect(prepare(ABSENT, ENV, toPrepare(1000)).reserve).toBe(1000)
  })

  test('so does the promise that comes with an acceptance', () => {
    expect(accept(ABSENT, ENV, toAccept(998)).reserve).toBeUndefined()
    expect(accept(ABSENT, ENV, toAccept(999)).reserve).toBe(1000)
    const itself = { ballot: ballot(2000), next: ballot(2000) }
    expect(accept(ABSENT, ENV, toAccept(2000, itself)).reserve).toBeUndefined()
  })

  test('after a start, promised counts as at least the mark', () => {
    const state = recovered(accepted(3), 1000)
    expect(prepare(state, ENV, toPrepare(999)).reply).toEqual({
      type: 'conflict',
      seen: { counter: 1000, proposer: '' },
    })
    expect(prepare(state, ENV, toPrepare(1000)).reply.type).toBe('promised')
  })

  test('a reply that reports a state names what must be durable first', () => {
    expect(prepare(holding(3), ENV, toPrepare(5)).reports).toEqual(ballot(3))
    expect(read(holding(3), ENV, toRead()).reports).toEqual(ballot(3))
    expect(read(ABSENT, ENV, toRead()).reports).toBeUndefined()
  })

  test('the same accept again is flushed again, and promises next, which a crash may have lost', () => {
    const ready = accept({ promised: ballot(3), accepted: accepted(3) }, ENV, toAccept(3))
    expect(ready.persist).toEqual(accepted(3))
    expect(ready.state?.promised).toEqual(ballot(4))
    expect(ready.reply.type).toBe('accepted')
  })
})

describe('A2: prepare', () => {
  test.each([
    ['below promised', holding(3, 9), 8],
    ['at promised', holding(3, 9), 9],
    ['at the accepted ballot', holding(3), 3],
  ])('refused %s', (_, state, counter) => {
    const ready = prepare(state, ENV, toPrepare(counter))
    expect(ready.state).toBeUndefined()
    expect(ready.reply).toEqual({ type: 'conflict', seen: state.promised })
  })

  test('above promised it reports the accepted state and promises', () => {
    const ready = prepare(holding(3, 9), ENV, toPrepare(10))
    expect(ready.state).toEqual({ promised: ballot(10), accepted: accepted(3) })
    expect(ready.reply).toEqual({
      type: 'promised',
      ballot: ballot(10),
      accepted: accepted(3),
      clockMs: ENV.clockMs,
    })
  })

  test('the floor counts when the register is absent, and is reported (P4)', () => {
    const env = { ...ENV, floor: ballot(20) }
    expect(prepare(ABSENT, env, toPrepare(20)).reply).toEqual({
      type: 'conflict',
      seen: ballot(20),
    })
    expect(prepare(ABSENT, env, toPrepare(21)).reply).toEqual({
      type: 'promised',
      ballot: ballot(21),
      floor: ballot(20),
      clockMs: ENV.clockMs,
    })
    expect(prepare(holding(3), env, toPrepare(5)).reply.type).toBe('promised')
  })
})

describe('A3: accept', () => {
  test('promised rises to the higher of ballot and next', () => {
    expect(accept(holding(3), ENV, toAccept(5)).state).toEqual({
      promised: ballot(6),
      accepted: accepted(5),
    })
  })

  test.each([
    ['below promised', holding(3, 9), 8, true],
    ['below the accepted ballot', holding(9), 8, false],
  ])('refused %s', (_, state, counter, never) => {
    const ready = accept(state, ENV, toAccept(counter))
    expect(ready.persist).toBeUndefined()
    expect(ready.state).toBeUndefined()
    expect(ready.reply).toEqual({ type: 'conflict', seen: ballot(9), never })
  })

  test('at promised it is accepted', () => {
    expect(accept(holding(3, 9), ENV, toAccept(9)).reply.type).toBe('accepted')
  })

  test('absent, it is refused at or below the floor; whether it was accepted once is unknown', () => {
    const env = { ...ENV, floor: ballot(20) }
    const reply = { type: 'conflict', seen: ballot(20), never: false }
    expect(accept(ABSENT, env, toAccept(20)).reply).toEqual(reply)
    expect(accept(ABSENT, env, toAccept(21)).reply.type).toBe('accepted')
  })

  test('"never" is as durable as the promise it rests on', () => {
    const ready = accept({ promised: ballot(1500) }, ENV, toAccept(5))
    expect(ready.reply).toMatchObject({ type: 'conflict', never: true })
    expect(ready.reserve).toBe(1500)
  })

  test('two values at one ballot are a programming error (P1)', () => {
    const other = toAccept(3, { value: value('other') })
    expect(() => accept(holding(3), ENV, other)).toThrow('one value')
  })
})

describe('what is refused whatever the register holds', () => {
  const requests: RegisterRequest[] = [toPrepare(5), toAccept(5), toRead()]

  test.each(requests)('A4: damaged state gives no vote and no read: $type', (request) => {
    const reply = { type: 'no-vote', reason: 'faulty' }
    expect(handle(holding(3), { ...ENV, faulty: true }, request)).toEqual({ reply })
  })

  test.each(requests)('L4: an earlier epoch is told ours: $type', (request) => {
    const reply = { type: 'stale-epoch', epoch: 8 }
    expect(handle(holding(3), { ...ENV, epoch: 8 }, request)).toEqual({ reply })
  })

  test.each(requests)('L4: a later epoch gets no vote before its layout is fetched: $type', (r) => {
    expect(handle(holding(3), { ...ENV, epoch: 6 }, r).reply.type).toBe('no-vote')
  })

  test.each(requests)('T8: a lower generation is refused, a higher one kept: $type', (request) => {
    const env = { ...ENV, minimumGeneration: 4 }
    const at = (generation: number): RegisterRequest => ({
      ...request,
      fence: { bucket: BUCKET, generation },
    })
    expect(handle(holding(3), env, at(3))).toEqual({
      reply: { type: 'stale-fence', generation: 4 },
    })
    expect(handle(holding(3), env, at(4)).raise).toBeUndefined()
    expect(handle(holding(3), env, at(5)).raise).toEqual({ bucket: BUCKET, generation: 5 })
  })
})

describe('A5: blocks', () => {
  const request = toAccept(5, { value: value('o5', ['one', 'two']) })

  test('a value is accepted only where its blocks are; the answer is no conflict', () => {
    const env = { ...ENV, holdsBlock: (block: BlockKey) => block === 'one' }
    const ready = accept(holding(3), env, request)
    expect(ready).toEqual({ reply: { type: 'need-blocks', blocks: ['two'] } })
    expect(accept(holding(3), { ...ENV, holdsBlock: () => true }, request).persist).toBeDefined()
  })

  test('what the accepted state names is not looked for again: it was here then', () => {
    const env = { ...ENV, holdsBlock: (block: BlockKey) => block === 'two' }
    const state = holding(3)
    const naming = {
      ...state,
      accepted: { ...state.accepted!, value: value('o3', ['one']) },
    }
    expect(accept(naming, env, request).persist).toBeDefined()
    expect(accept(state, env, request).reply).toEqual({ type: 'need-blocks', blocks: ['one'] })
  })
})

test('R1: a read sends the value only where it is wanted', () => {
  expect(read(holding(3), ENV, toRead()).reply).toEqual({
    type: 'state',
    ballot: ballot(3),
    accepted: accepted(3),
  })
  expect(read(holding(3), ENV, toRead({ want: 'ballot' })).reply).toEqual({
    type: 'state',
    ballot: ballot(3),
  })
  expect(read(ABSENT, ENV, toRead()).reply).toEqual({ type: 'state' })
})

test('any requests in any order, with crashes: promised and accepted never fall', () => {
  const step = fc.record({
    type: fc.constantFrom('prepare', 'accept', 'crash'),
    counter: fc.integer({ min: 1, max: 30 }),
    proposer: fc.constantFrom('p', 'q'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let state: AcceptorState = ABSENT
      let disk: Accepted | undefined
      let mark = 1
      let replied = ZERO_BALLOT
      for (const { type, counter, proposer } of steps) {
        if (type === 'crash') {
          state = recovered(disk, mark)
          continue
        }
        const at = ballot(counter, proposer)
        const request: RegisterRequest =
          type === 'prepare'
            ? toPrepare(counter, { ballot: at })
            : toAccept(counter, {
                ballot: at,
                value: value(`${counter}${proposer}`),
                next: ballot(counter + 1, proposer),
              })
        const ready = handle(state, { ...ENV, mark }, request)
        if (ready.reserve !== undefined) mark = Math.max(mark, ready.reserve + 1)
        if (ready.persist) disk = ready.persist
        state = ready.state ?? state
        const { reply } = ready
        if (reply.type === 'promised' || reply.type === 'accepted') {
          // Nothing is voted for below what was promised, but for the same accept again.
          const again = reply.type === 'accepted' && disk && sameBallot(disk.ballot, at)
          expect(compareBallots(at, replied) >= 0 || again === true).toBe(true)
          const promised = request.type === 'accept' ? request.next : at
          if (compareBallots(promised, replied) > 0) replied = promised
        }
        if (state.accepted) {
          expect(compareBallots(state.promised, state.accepted.ballot)).toBeGreaterThanOrEqual(0)
        }
      }
    }),
  )
})
