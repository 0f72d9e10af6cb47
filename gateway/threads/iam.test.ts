import { afterEach, describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import type { ContextValues } from '../../protocol/iam/template.ts'
import type { Work } from '../../protocol/work.ts'
import { unfold } from '../iam/query.ts'
import { MemoryBackend } from '../memory/memory-backend.ts'
import { IamError, type IamBackend, type IamCall, type IamResult } from '../port/iam-backend.ts'
import { user } from '../testing/callers.ts'
import { contextOf, joinThreads, turns, type Joined } from './testing/joined.ts'
import { AbortedByThread } from './wire-errors.ts'

const { identity: caller } = user('ann', [{ Effect: 'Allow', Action: '*', Resource: '*' }])

let joined: Joined
/** Calls as the core got them. */
let calls: IamCall[]
afterEach(() => joined.close())

function join(run: (call: IamCall) => Promise<IamResult>): IamBackend {
  calls = []
  const iam: IamBackend = {
    run: (call) => {
      calls.push(call)
      return run(call)
    },
    entityOf: (context, ...names) => {
      context.rounds += 2
      return Promise.resolve({ arn: [context.operation, ...names].join(' ') })
    },
  }
  joined = joinThreads(new MemoryBackend({ credentials: [], nowMs: () => 0 }), { iam })
  return joined.thread.iam
}

function callOf(changes: Partial<IamCall> = {}): IamCall {
  return {
    context: contextOf('CreateUser'),
    caller,
    action: 'CreateUser',
    parameters: unfold([]),
    nowMs: 7,
    conditions: new Map(),
    inTurns: () => {
      throw new Error('work takes turns in the core')
    },
    ...changes,
  }
}

const errorOf = (outcome: Promise<unknown>): Promise<unknown> =>
  outcome.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('IAM across the port', () => {
  test('keeps what results are made of', async () => {
    const result: IamResult = {
      User: { UserName: 'ü', CreateDate: new Date(5), Boundary: undefined },
      List: [{ a: 1 }, true, []],
      Map: new Map([['b', new Map([['c', 'd']])]]),
    }
    const got = await join(() => Promise.resolve(result)).run(callOf())
    expect(got).toStrictEqual(result)
  })

  test('brings caller, action and time', async () => {
    await join(() => Promise.resolve({})).run(callOf())
    expect(calls[0]).toMatchObject({ caller, action: 'CreateUser', nowMs: 7 })
    expect(calls[0]!.context.operation).toBe('CreateUser')
  })

  test('keeps parameters as records without a prototype (F28)', async () => {
    const parameters = unfold([
      ['UserName', 'ann'],
      ['__proto__.polluted', 'yes'],
      ['Tags.member.1.Key', 'k'],
      ['Tags.member.1.constructor', 'v'],
    ])
    await join(() => Promise.resolve({})).run(callOf({ parameters }))
    const got = calls[0]!.parameters
    expect(got).toStrictEqual(parameters)
    expect([got['toString'], got['constructor']]).toEqual([undefined, undefined])
    const [tag] = got['Tags'] as object[]
    expect([got, got['__proto__'], tag].map((each) => Object.getPrototypeOf(each))).toEqual([
      null,
      null,
      null,
    ])
  })

  test('looks condition values up before the call leaves', async () => {
    const conditions: ContextValues = {
      get: (key) => ({ 'aws:sourceip': ['::1'], 'sts:externalid': ['x'] })[key],
      has: () => true,
    }
    await join(() => Promise.resolve({})).run(callOf({ conditions }))
    const got = calls[0]!.conditions
    expect([got.get('aws:sourceip'), got.get('sts:externalid')]).toEqual([['::1'], ['x']])
    expect([got.has('aws:sourceip'), got.has('aws:referer')]).toEqual([true, false])
  })
})

describe('an action of IAM in the core', () => {
  test('keeps code, status and text of errors', async () => {
    const sent = new IamError('NoSuchEntity', 404, 'There is no user ann.')
    const iam = join(() => Promise.reject(sent))
    const got = (await errorOf(iam.run(callOf()))) as IamError
    expect(got).toBeInstanceOf(IamError)
    expect([got.code, got.status, got.message]).toEqual([sent.code, 404, sent.message])
    joined.close()
    const unknown = await errorOf(
      join(() => Promise.reject(new StoreError('Unavailable', 'no majority'))).run(callOf()),
    )
    expect(unknown).toEqual(new StoreError('Unavailable', 'no majority'))
  })

  test('adds rounds', async () => {
    const iam = join((call) => {
      call.context.rounds += 3
      return Promise.resolve({})
    })
    const context = contextOf('GetUser')
    await iam.run(callOf({ context }))
    expect(await iam.entityOf(context, '1', 'user', 'ann')).toEqual({ arn: 'GetUser 1 user ann' })
    expect(context.rounds).toBe(5)
  })

  test('does long work in turns of the core, until the request is aborted', async () => {
    let slices = 0
    function* work(): Work<string> {
      for (; slices < 3; slices++) yield
      return 'done'
    }
    const iam = join(async ({ inTurns }) => ({ Text: await inTurns(work()) }))
    expect(await iam.run(callOf())).toEqual({ Text: 'done' })
    joined.close()

    function* endless(): Work<string> {
      for (;;) {
        slices++
        yield
      }
    }
    let inCore: unknown
    const context = contextOf('SimulatePrincipalPolicy')
    const running = errorOf(
      join(async ({ inTurns }) => {
        inCore = await errorOf(Promise.resolve(inTurns(endless())))
        throw inCore
      }).run(callOf({ context })),
    )
    await turns()
    const reason = new Error('gone')
    context.abort(reason)
    expect(await running).toBe(reason)
    expect(inCore).toBeInstanceOf(AbortedByThread)
    const ended = slices
    await turns()
    expect(slices).toBe(ended)
  })

  test('is refused where the core does not serve it', async () => {
    joined = joinThreads(new MemoryBackend({ credentials: [], nowMs: () => 0 }))
    const got = (await errorOf(joined.thread.iam.run(callOf()))) as IamError
    expect([got.code, got.status]).toEqual(['NotImplemented', 501])
  })
})
