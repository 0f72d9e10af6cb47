/** One change of a register whose three replicas answer by script. */

import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { bucketId, proposerId, type NodeId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { internalContext } from '../../node/tools/internal-context.ts'
import { RegisterClient } from '../../node/quorum/register-client.ts'
import type { Peers } from '../../node/quorum/peers.ts'
import { codeOf } from './calm-cluster.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

const KEY = objectRegister(bucketId('c'.repeat(16)), 0, 'key', 6)
const NODES = ['a', 'b', 'c'] as NodeId[]
export const FULL: RegisterReply = { type: 'no-vote', reason: 'full' }
export const TIMEOUT = Object.assign(new Error('TIMEOUT'), { maybeDelivered: true })
const HEALTH = { hedgeAfterMs: () => 60 }
const OTHER = proposerId('q'.repeat(16))
type Answer = RegisterReply | Error

/** What the change ends with, where the accepts of its rounds are answered like this. */
export async function outcomeOf(
  rounds: readonly (readonly Answer[])[],
  delayed = false,
): Promise<string> {
  const clock = new VirtualClock()
  const asked = NODES.map(() => 0)
  const reply = (node: number, request: RegisterRequest): Answer => {
    if (request.type === 'prepare') return { type: 'promised', ballot: request.ballot }
    const round = Math.min(asked[node]!++, rounds.length - 1)
    return rounds[round]![node]!
  }
  const register: Peers['register'] = async (to, request) => {
    const node = NODES.indexOf(to)
    if (delayed) await new Promise<void>((resolve) => void clock.after(node, resolve))
    const answer = reply(node, request)
    if (answer instanceof Error) throw answer
    return { reply: answer }
  }
  const registers = registersOn(clock, register)
  const write = { tombstone: false, body: EMPTY_BYTES, blocks: [] }
  return clock.settle(
    codeOf(registers.change(internalContext(), { key: KEY, change: () => ({ write }) })),
  )
}

/** How many rounds of prepares one change begins where every replica refuses each of them, until its deadline. */
export async function roundsWhenRefused(): Promise<number> {
  const clock = new VirtualClock()
  let asked = 0
  const register: Peers['register'] = async (to, request) => {
    if (to === NODES[0]) asked++
    await new Promise<void>((resolve) => void clock.after(1, resolve))
    const counter = 'ballot' in request ? request.ballot.counter : 0
    return { reply: { type: 'conflict', seen: { counter: counter + 1, proposer: OTHER } } }
  }
  const write = { tombstone: false, body: EMPTY_BYTES, blocks: [] }
  const change = () => ({ write })
  const registers = registersOn(clock, register)
  await clock.settle(codeOf(registers.change(internalContext(), { key: KEY, change })))
  return asked
}

/** What two changes of one key end with, where the fence of the first is stale and never comes to be known. */
export async function outcomesBehindFence(): Promise<string[]> {
  const clock = new VirtualClock()
  const register: Peers['register'] = (_to, request) => {
    if (request.type !== 'read' && request.fence !== undefined) {
      return Promise.resolve({ reply: { type: 'stale-fence', generation: 2 } })
    }
    const ballot = 'ballot' in request ? request.ballot : { counter: 1, proposer: OTHER }
    const type = request.type === 'prepare' ? 'promised' : 'accepted'
    return Promise.resolve({ reply: { type, ballot } })
  }
  const registers = registersOn(clock, register)
  const fence = {
    current: () => ({ bucket: bucketId('c'.repeat(16)), generation: 1 }),
    refresh: () => new Promise<void>(() => {}),
  }
  const change = () => ({ write: { tombstone: false, body: EMPTY_BYTES, blocks: [] } })
  const first = codeOf(registers.change(internalContext(), { key: KEY, change, fence }))
  const start = async (): Promise<string[]> => {
    await new Promise<void>((resolve) => void clock.after(6_000, resolve))
    const second = codeOf(registers.change(internalContext(), { key: KEY, change }))
    return Promise.all([first, second])
  }
  return clock.settle(start())
}

function registersOn(clock: VirtualClock, register: Peers['register']): RegisterClient {
  return new RegisterClient({
    peers: { self: NODES[0]!, connected: () => true, register, health: HEALTH } as unknown as Peers,
    placement: { epoch: () => 1, sets: () => [NODES], observe: () => Promise.resolve() },
    clock,
    random: { bytes: (length) => new Uint8Array(length), float: () => 0.5 },
    proposer: () => proposerId('p'.repeat(16)),
    onGap: () => {},
  })
}

/** So that another round comes. */
export const CONFLICT: RegisterReply = {
  type: 'conflict',
  seen: { counter: 9, proposer: OTHER },
}
