/** One change of a register whose three replicas answer by script. */

import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { bucketId, proposerId, type NodeId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { internalContext } from '../../node/internal-context.ts'
import { Registers } from '../../node/metadata/registers.ts'
import type { Peers } from '../../node/rpc/peers.ts'
import { codeOf } from './calm-cluster.ts'
import { VirtualClock } from '../virtual-clock.ts'

const KEY = objectRegister(bucketId('c'.repeat(16)), 0, 'key', 6)
const NODES = ['a', 'b', 'c'] as NodeId[]
export const FULL: RegisterReply = { type: 'no-vote', reason: 'full' }
export const TIMEOUT = Object.assign(new Error('TIMEOUT'), { maybeDelivered: true })
const HEALTH = { hedgeAfterMs: () => 60 }
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
  const registers = new Registers({
    peers: { self: NODES[0]!, connected: () => true, register, health: HEALTH } as unknown as Peers,
    placement: { epoch: () => 1, sets: () => [NODES], observe: () => Promise.resolve() },
    clock,
    random: { bytes: (length) => new Uint8Array(length), float: () => 0.5 },
    proposer: () => proposerId('p'.repeat(16)),
    onGap: () => {},
  })
  const write = { tombstone: false, body: EMPTY_BYTES, blocks: [] }
  return clock.settle(
    codeOf(registers.change(internalContext(), { key: KEY, change: () => ({ write }) })),
  )
}

/** So that another round comes. */
export const CONFLICT: RegisterReply = {
  type: 'conflict',
  seen: { counter: 9, proposer: proposerId('q'.repeat(16)) },
}
