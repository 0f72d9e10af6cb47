/**
 * What peers, callers and disks can deliver is refused with a typed error. It never fails an assertion, which would stop a
 * sound node.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { onFailedAssertion } from './assert.ts'
import { encodeState } from './codec/state.ts'
import type { PageRefRecord } from './codec/versioned.ts'
import { FieldWriter } from './codec/wire.ts'
import {
  bucketId,
  clusterId,
  dataId,
  nodeId,
  operationId,
  proposerId,
  storageId,
  type BlockKey,
  type NodeId,
  type OperationId,
  type ProposerId,
  type RegisterKey,
} from './ids.ts'
import { InputError } from './input.ts'
import { blockIndexOf, dataIdOf } from './keyspace/block-key.ts'
import { prefixEnd, shardOf } from './keyspace/key.ts'
import { ownedByObject, ownedByPart } from './keyspace/owner.ts'
import { place } from './keyspace/placement.ts'
import {
  objectKeyOf,
  objectRegister,
  partNumberOf,
  partRegister,
  shardOfKey,
  systemNameOf,
  systemRegister,
  uploadIdOf,
} from './keyspace/register-key.ts'
import { acceptVote } from './layout/acceptor.ts'
import { stable, testMember } from './layout/testing/entries.ts'
import { spill } from './object/pages.ts'
import { versionIdOf } from './object/version-id.ts'
import { accept, type AcceptorEnv } from './register/acceptor.ts'
import { BALLOT_COUNTER_MAX, type Ballot, ZERO_BALLOT } from './register/ballot.ts'
import { RegisterProposer } from './register/proposer.ts'
import type { Accepted, RegisterReply } from './register/types.ts'
import {
  ballotOfWire,
  decodeRegisterCall,
  encodeRegisterCall,
  MessageError,
} from './rpc/message.ts'
import { testVersion } from './object/testing/version.ts'

const KEY = 'key' as RegisterKey
const OPERATION = 'o'.repeat(16) as OperationId
const PROPOSER = 'p'.repeat(16) as ProposerId
const ballot = (counter: number): Ballot => ({ counter, proposer: PROPOSER })
const pair = (counter: number, operation = OPERATION): Accepted => ({
  ballot: ballot(counter),
  value: { operation, tombstone: true, body: new Uint8Array(0), blocks: [] },
})
const env: AcceptorEnv = {
  mark: 100,
  floor: ZERO_BALLOT,
  epoch: 1,
  minimumGeneration: 0,
  holdsBlock: () => true,
  clockMs: 1,
  faulty: false,
}

let told: string[]
let letGo: () => void

beforeEach(() => {
  told = []
  letGo = onFailedAssertion(({ message }) => told.push(message))
})
afterEach(() => {
  letGo()
  expect(told).toEqual([])
})

const bucket = bucketId('b'.repeat(16))
const object = objectRegister(bucket, 0, 'name', 14)
const system = systemRegister('bucket', 'name', { partitionBits: 14 })
const members = [testMember('a'), testMember('b')]
const placement = place(members, { partitionBits: 4, replication: 2 })
const entry = stable(members, { epoch: 2 })
const other = stable([testMember('a')], { epoch: 2 })
const vote = {
  epoch: 2,
  promised: { counter: 1, nodeId: members[0]!.nodeId },
  accepted: { ballot: { counter: 1, nodeId: members[0]!.nodeId }, entry },
}
const page = (level: number, newest: number, oldest: number): PageRefRecord => ({
  dataId: new Uint8Array(24),
  level,
  newest,
  oldest,
  count: 1,
})
const tools = { known: new Map(), draw: () => dataId('d'.repeat(24)) }
const versions = Array.from({ length: 9 }, (_, at) => testVersion({ sequence: at }))
const acceptOf = (counter: number, next: number, operation = OPERATION): (() => unknown) => {
  const request = { type: 'accept', key: KEY, epoch: 1, next: ballot(next) } as const
  const state = { promised: ballot(3), accepted: pair(3) }
  return () => accept(state, env, { ...request, ...pair(counter, operation) })
}

/** What is delivered, and the call that meets it. */
const DELIVERED: readonly (readonly [string, () => unknown])[] = [
  ['an accept that promises less than its own ballot', acceptOf(5, 4)],
  ['a second value under one ballot (P1)', acceptOf(3, 3, 'x'.repeat(16) as OperationId)],
  ['a second entry under one ballot', () => acceptVote(vote, 2, vote.promised, other)],
  ['a node id of other letters', () => nodeId('0OIl')],
  ['a short storage id', () => storageId('ab')],
  ['a short cluster id', () => clusterId('ab')],
  ['a short bucket id', () => bucketId('b')],
  ['a short data id', () => dataId('d')],
  ['a short operation id', () => operationId('o')],
  ['a short proposer id', () => proposerId('p')],
  ['the data id of a short block key', () => dataIdOf('key' as BlockKey)],
  ['the index of a short block key', () => blockIndexOf('key' as BlockKey)],
  ['the shard of a system register', () => shardOfKey(system)],
  ['the object key of a system register', () => objectKeyOf(system)],
  ['the upload id of an object', () => uploadIdOf(object)],
  ['the part number of an object', () => partNumberOf(object)],
  ['the system name of an object', () => systemNameOf(object)],
  ['an object as the owner of a part', () => ownedByPart(object, 1)],
  ['a system register as the owner of a block', () => ownedByObject(system)],
  ['an object key with a zero byte', () => objectRegister(bucket, 0, 'a\0b', 14)],
  ['a short upload id', () => partRegister(bucket, 0, 'u', 1, 14)],
  ['a part number of three bytes', () => partRegister(bucket, 0, 'u'.repeat(16), 1 << 16, 14)],
  ['a prefix that nothing is above', () => prefixEnd('\xff\xff')],
  ['three shards', () => shardOf(bucket, 'name', 3)],
  ['a partition that does not exist', () => placement.replicas(16)],
  [
    'members that are the same node',
    () => place([members[0]!, members[0]!], { partitionBits: 4, replication: 2 }),
  ],
  [
    'a member without capacity',
    () =>
      place([{ ...members[0]!, capacityBytes: 0 }], {
        partitionBits: 4,
        replication: 1,
      }),
  ],
  ['pages from old to new', () => spill({ versions, pages: [] }, tools)],
  [
    'pages whose levels fall',
    () => {
      const levels = [0, 1, 0, 0, 0, 0, 0, 0]
      const pages = levels.map((level, at) => page(level, 100 - at, 100 - at))
      return spill({ versions: versions.toReversed(), pages }, tools)
    },
  ],
  ['a sequence beyond all numbers', () => versionIdOf(2 ** 53, new Uint8Array(8))],
  ['a negative number in a record', () => new FieldWriter().number(1, -1)],
  ['a ballot beyond all counters in a state', () => encodeState(pair(2 ** 53))],
  [
    'more packed blocks than a state can name',
    () => {
      const { ballot, value } = pair(1)
      const blocks = Array.from({ length: 256 }, () => 'k'.repeat(30) as BlockKey)
      return encodeState({ ballot, value: { ...value, blocks } })
    },
  ],
]

describe('is refused:', () => {
  test.each(DELIVERED)('%s', (_, deliver) => expect(deliver).toThrow(InputError))

  test('a message whose ballot leaves no higher counter (P6)', () => {
    const counter = BALLOT_COUNTER_MAX + 1
    const wire = { counter, proposer: new Uint8Array(16) }
    expect(() => ballotOfWire(wire)).toThrow(MessageError)
    expect(ballotOfWire({ ...wire, counter: counter - 1 }).counter).toBe(BALLOT_COUNTER_MAX)
    const request = { type: 'accept', key: KEY, epoch: 1, next: ballot(counter) } as const
    const call = encodeRegisterCall({ request: { ...request, ...pair(counter) } })
    expect(() => decodeRegisterCall(call)).toThrow(MessageError)
  })
})

describe('a proposer', () => {
  const nodes = ['a', 'b', 'c'] as NodeId[]
  const machine = (): RegisterProposer =>
    new RegisterProposer({
      key: KEY,
      operation: OPERATION,
      proposer: PROPOSER,
      nextCounter: (above) => above + 1,
      sets: [nodes],
      epoch: 1,
      change: () => ({ write: pair(1).value }),
    })

  test('does not count the promise of another ballot', () => {
    const proposer = machine()
    const { send } = proposer.start()
    const { request } = send[0]!
    const reply = (counter: number): RegisterReply => ({
      type: 'promised',
      ballot: ballot(counter),
    })
    if (request.type !== 'prepare') throw new Error('no prepare')
    const { counter } = request.ballot
    expect(proposer.onReply('a' as NodeId, request, reply(counter + 1)).send).toEqual([])
    expect(proposer.onReply('b' as NodeId, request, reply(counter)).send).toEqual([])
    const step = proposer.onReply('c' as NodeId, request, reply(counter))
    expect(step.send.map(({ request: { type } }) => type)).toEqual(['accept', 'accept', 'accept'])
  })

  test('ends with an error when an acceptor has what it had said that it never accepts (P4)', () => {
    const proposer = machine()
    let step = proposer.start()
    const answer = (from: string, reply: (asked: Ballot) => RegisterReply): void => {
      const request = asked
      if (request.type === 'read') throw new Error('no read')
      step = proposer.onReply(from as NodeId, request, reply(request.ballot))
      asked = step.send[0]?.request ?? asked
    }
    let asked = step.send[0]!.request
    for (const from of ['a', 'b']) answer(from, (own) => ({ type: 'promised', ballot: own }))
    const accept = asked
    for (const from of nodes) {
      step = proposer.onReply(from, accept, { type: 'conflict', seen: ballot(9), never: true })
    }
    asked = proposer.onBackoffOver().send[0]!.request
    answer('a', (own) => ({ type: 'promised', ballot: own, accepted: pair(8) }))
    answer('b', (own) => ({ type: 'promised', ballot: own }))
    answer('a', (own) => ({ type: 'accepted', ballot: own }))
    expect(() => answer('b', (own) => ({ type: 'accepted', ballot: own }))).toThrow(InputError)
  })
})
