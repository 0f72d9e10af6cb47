/** The register client against three replicas: what it answers when some of them are down, slow, stale or full. */

import { beforeEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { StoreError } from '../../protocol/errors.ts'
import { bucketId, dataId, operationId, proposerId, type NodeId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { NodeChange } from './register-change.ts'
import type { RegisterClient } from './register-client.ts'
import type { RegisterEvent } from './register-events.ts'
import {
  lostAnswer,
  MemoryReplicas,
  REPLICAS,
  type SentRequest,
} from './testing/memory-replicas.ts'

const BUCKET = bucketId('b'.repeat(16))
const KEY = objectRegister(BUCKET, 0, 'key', 6)
const [A, B, C] = REPLICAS as [NodeId, NodeId, NodeId]
const OTHER = proposerId('q'.repeat(16))

let replicas: MemoryReplicas
let client: RegisterClient
let events: RegisterEvent[]

beforeEach(() => {
  replicas = new MemoryReplicas()
  events = []
  client = replicas.client({ observer: (event) => void events.push(event) })
})

function valueOf(text: string, blocks: RegisterValue['blocks'] = []) {
  return { tombstone: false, body: utf8(text), blocks }
}

function ballotOf({ request }: SentRequest): number | undefined {
  return 'ballot' in request ? request.ballot.counter : undefined
}

function textOf(body: Uint8Array): string {
  return new TextDecoder().decode(body)
}

function writeOf(text: string): NodeChange {
  return () => ({ write: valueOf(text) })
}

function appending(text: string): NodeChange {
  return (current) => ({
    write: valueOf((current === undefined ? '' : textOf(current.body)) + text),
  })
}

/** The type of the outcome, or the code of the error. What no majority waited for has been answered then, too. */
async function changed(change: NodeChange, more: object = {}): Promise<string> {
  const work = client.change(internalContext(), { key: KEY, change, ...more })
  try {
    return (await replicas.clock.settle(work)).type
  } catch (error) {
    if (error instanceof StoreError) return error.code
    throw error
  } finally {
    await replicas.clock.pass(10)
  }
}

async function textAt(reader = client): Promise<string | undefined> {
  const { accepted } = await replicas.clock.settle(reader.read(internalContext(), { key: KEY }))
  return accepted && textOf(accepted.value.body)
}

function storedAt(node: NodeId): string | undefined {
  const body = replicas.replica(node).registers.get(KEY)?.accepted?.value.body
  return body && textOf(body)
}

describe('changes', () => {
  test('a change that was answered is read by every node, in one round', async () => {
    expect(await changed(writeOf('one'))).toBe('written')
    const context = internalContext()
    const other = replicas.client()
    await replicas.clock.settle(other.read(context, { key: KEY }))
    expect(context.rounds).toBe(1)
    expect(await textAt(other)).toBe('one')
  })

  test('a change that keeps the state writes nothing', async () => {
    await changed(writeOf('one'))
    expect(await changed(() => ({ keep: true }))).toBe('kept')
    expect(REPLICAS.map(storedAt)).toEqual(['one', 'one', 'one'])
  })

  test('changes of one key run one after the other (P1)', async () => {
    const first = client.change(internalContext(), { key: KEY, change: appending('1') })
    const second = client.change(internalContext(), { key: KEY, change: appending('2') })
    await replicas.clock.settle(Promise.all([first, second]))
    // Neither met the other: each prepared once, the second after the first had sent its accepts.
    const prepares = replicas.sent.filter(({ request }) => request.type === 'prepare')
    expect(new Set(prepares.map(ballotOf)).size).toBe(2)
    const firstAccept = replicas.sent.findIndex(({ request }) => request.type === 'accept')
    expect(replicas.sent.indexOf(prepares.at(-1)!)).toBeGreaterThan(firstAccept)
    expect(await textAt()).toBe('12')
  })

  test('the state from which the written value was made is returned', async () => {
    await changed(writeOf('one'))
    const work = client.change(internalContext(), { key: KEY, change: appending('2') })
    const outcome = await replicas.clock.settle(work)
    const before = outcome.type === 'written' ? outcome.before : undefined
    expect(before && textOf(before.body)).toBe('one')
  })

  test('after a conflict the next ballot is above the one that was seen (P6)', async () => {
    const other = replicas.client({ proposer: () => OTHER })
    for (let i = 0; i < 20; i++) {
      const work = other.change(internalContext(), { key: KEY, change: appending('x') })
      await replicas.clock.settle(work)
    }
    replicas.sent.length = 0
    expect(await changed(appending('y'))).toBe('written')
    // One prepare that is refused, one that is not.
    const prepares = replicas.sent.filter(({ request }) => request.type === 'prepare')
    expect(new Set(prepares.map(ballotOf)).size).toBe(2)
  })
})

describe('replicas that are away', () => {
  test('a minority that is down holds up nothing, and its replica is reported as lacking (P7)', async () => {
    replicas.down.add(C)
    expect(await changed(writeOf('one'))).toBe('written')
    expect(replicas.gaps).toEqual([C])
    expect(await textAt()).toBe('one')
  })

  test('a replica that fails after the answer is reported as lacking too (P7)', async () => {
    const peers = replicas.peers(A)
    const answering = replicas.peers(A)
    peers.register = async (to, ...rest) => {
      if (to !== C) return answering.register(to, ...rest)
      await new Promise<void>((resolve) => void replicas.clock.after(5, resolve))
      throw lostAnswer()
    }
    client = replicas.client({ peers })
    expect(await changed(writeOf('one'))).toBe('written')
    expect(replicas.gaps).toContain(C)
  })

  test('without a majority nothing happens, and the request fails after a short patience', async () => {
    replicas.down.add(B).add(C)
    const startedMs = replicas.clock.monotonicMs()
    expect(await changed(writeOf('one'))).toBe('Unavailable')
    const tookMs = replicas.clock.monotonicMs() - startedMs
    expect(tookMs).toBeGreaterThan(1_000)
    expect(tookMs).toBeLessThan(4_000)
    expect(REPLICAS.map(storedAt)).toEqual([undefined, undefined, undefined])
  })

  test('a majority that comes back in time is waited for', async () => {
    replicas.down.add(B).add(C)
    replicas.clock.after(1_000, () => replicas.down.clear())
    expect(await changed(writeOf('one'))).toBe('written')
  })

  test('an accept that may have happened is Unavailable, and told as unknown (P4)', async () => {
    replicas.answer = (_to, request) => (request.type === 'accept' ? lostAnswer() : undefined)
    expect(await changed(writeOf('one'))).toBe('Unavailable')
    expect(events.map(({ type }) => type)).toContain('proposed')
    expect(events.at(-1)?.type).toBe('unknown')
  })

  test('a node that may not propose waits, and sends nothing (D2)', async () => {
    let may = false
    client = replicas.client({ mayPropose: () => may })
    replicas.clock.after(500, () => (may = true))
    expect(await changed(writeOf('one'))).toBe('written')
    expect(replicas.clock.monotonicMs()).toBeGreaterThan(500)
    may = false
    replicas.sent.length = 0
    expect(await changed(writeOf('two'))).toBe('Unavailable')
    expect(replicas.sent).toEqual([])
  })
})

describe('replicas without room', () => {
  test('when all are full and none may have stored it, nothing has happened', async () => {
    replicas.answer = (_to, request) =>
      request.type === 'accept' ? { type: 'no-vote', reason: 'full' } : undefined
    expect(await changed(writeOf('one'))).toBe('InsufficientStorage')
  })

  test('when one may have stored it, it is not known what has happened (P4)', async () => {
    let lost = 0
    replicas.answer = (to, request) => {
      if (request.type !== 'accept') return undefined
      return to === A && lost++ === 0 ? lostAnswer() : { type: 'no-vote', reason: 'full' }
    }
    expect(await changed(writeOf('one'))).toBe('Unavailable')
  })
})

describe('stale knowledge', () => {
  test('a stale fence is read again, and the change goes on with the new one (T8)', async () => {
    replicas.minimumGeneration = 3
    let generation = 1
    let refreshed = 0
    const fence = {
      current: () => ({ bucket: BUCKET, generation }),
      refresh: async () => {
        refreshed++
        generation = 3
      },
    }
    expect(await changed(writeOf('one'), { fence })).toBe('written')
    expect(refreshed).toBe(1)
  })

  test('a bucket that is gone ends the change, as Unavailable once it may have happened', async () => {
    const fence = {
      current: () => ({ bucket: BUCKET, generation: 1 }),
      refresh: () => Promise.reject(new StoreError('NoSuchBucket')),
    }
    replicas.minimumGeneration = 2
    expect(await changed(writeOf('one'), { fence })).toBe('NoSuchBucket')
    replicas.minimumGeneration = 1
    replicas.answer = (_to, request) => {
      if (request.type !== 'accept') return undefined
      replicas.minimumGeneration = 2
      return lostAnswer()
    }
    expect(await changed(writeOf('one'), { fence })).toBe('Unavailable')
  })

  test('a later epoch of a replica is adopted, and the change starts again there (L4)', async () => {
    let mine = 1
    const observed: number[] = []
    replicas.epoch = 2
    client = replicas.client({
      placement: {
        epoch: () => mine,
        sets: () => [REPLICAS],
        observe: async (epoch) => {
          observed.push(epoch)
          mine = epoch
        },
      },
    })
    expect(await changed(writeOf('one'))).toBe('written')
    expect(new Set(observed)).toEqual(new Set([2]))
  })
})

describe('blocks that a value names (A5)', () => {
  const ID = dataId('d'.repeat(24))
  const BLOCK = {
    key: packedBlockKey(KEY, ID),
    owner: KEY as unknown as BlockOwner,
    bytes: utf8('packed'),
  }
  const change: NodeChange = () => ({ write: valueOf('one', [BLOCK.key]) })

  test('go with the accept to every replica', async () => {
    expect(await changed(change, { block: BLOCK })).toBe('written')
    expect(replicas.sent.filter(({ request }) => request.type === 'accept')).toHaveLength(3)
    expect(REPLICAS.map((node) => replicas.replica(node).blocks.has(BLOCK.key))).toEqual([
      true,
      true,
      true,
    ])
  })

  test('a replica that lacks one is sent a copy from another replica', async () => {
    replicas.down.add(C)
    await changed(change, { block: BLOCK })
    replicas.down.clear()
    const keeping: NodeChange = (current) => ({ write: valueOf('two', current!.blocks) })
    // Only A and C answer, so that C has to accept.
    replicas.down.add(B)
    replicas.answer = () => undefined
    expect(await changed(keeping)).toBe('written')
    expect(replicas.replica(C).blocks.has(BLOCK.key)).toBe(true)
    expect(storedAt(C)).toBe('two')
  })

  test('a block that no replica gives leaves the change without a majority', async () => {
    replicas.down.add(C)
    await changed(change, { block: BLOCK })
    replicas.down.clear()
    for (const node of REPLICAS) replicas.replica(node).blocks.clear()
    replicas.down.add(B)
    const keeping: NodeChange = (current) => ({ write: valueOf('two', current!.blocks) })
    expect(await changed(keeping)).toBe('Unavailable')
  })
})

describe('values that may not be chosen yet (R2)', () => {
  /** The value is on one replica only, as after an accept whose proposer died. */
  function acceptAlone(node: NodeId, text: string, counter: number): void {
    const ballot = { counter, proposer: OTHER }
    const value = { ...valueOf(text), operation: operationId('o'.repeat(16)) }
    replicas.replica(node).registers.set(KEY, { promised: ballot, accepted: { ballot, value } })
  }

  test('a read that meets one brings it to a majority before it returns it', async () => {
    await changed(writeOf('one'))
    acceptAlone(A, 'two', 50)
    replicas.down.add(C)
    expect(await textAt()).toBe('two')
    expect([A, B].map(storedAt)).toEqual(['two', 'two'])
  })

  test('ensureChosen brings it to a majority without changing it', async () => {
    acceptAlone(B, 'two', 50)
    replicas.down.add(C)
    const settled = await replicas.clock.settle(client.ensureChosen(internalContext(), KEY))
    expect(settled && textOf(settled.value.body)).toBe('two')
    expect([A, B].map(storedAt)).toEqual(['two', 'two'])
  })

  test('ensureChosenByOthers asks only other replicas, at a ballot above the one given (D3)', async () => {
    await changed(writeOf('one'))
    replicas.sent.length = 0
    const work = client.ensureChosenByOthers(internalContext(), KEY, 70)
    const settled = await replicas.clock.settle(work)
    expect(settled && textOf(settled.value.body)).toBe('one')
    expect(settled!.ballot.counter).toBeGreaterThan(70)
    expect(new Set(replicas.sent.map(({ to }) => to))).toEqual(new Set([B, C]))
  })

  test('ensureChosenByOthers without another replica is data loss', async () => {
    client = replicas.client({
      placement: { epoch: () => 1, sets: () => [[A]], observe: () => Promise.resolve() },
    })
    const work = client.ensureChosenByOthers(internalContext(), KEY, 0)
    await expect(replicas.clock.settle(work)).rejects.toMatchObject({ code: 'DataLost' })
  })
})

describe('slow replicas', () => {
  test('a replica that does not answer a read is joined by another one', async () => {
    await changed(writeOf('one'))
    const peers = replicas.peers(A)
    const answering = replicas.peers(A)
    peers.register = (to, ...rest) =>
      to === A ? new Promise(() => {}) : answering.register(to, ...rest)
    client = replicas.client({ peers })
    const startedMs = replicas.clock.monotonicMs()
    expect(await textAt()).toBe('one')
    expect(replicas.clock.monotonicMs() - startedMs).toBeLessThan(500)
  })
})

test('an accept promises nothing beyond its own ballot: acceptors would keep that in memory', async () => {
  expect(await changed(writeOf('one'))).toBe('written')
  const accepts = replicas.sent.filter(({ request }) => request.type === 'accept')
  expect(accepts).toHaveLength(REPLICAS.length)
  for (const sent of accepts) expect(sent.request).toHaveProperty('next.counter', ballotOf(sent))
})
