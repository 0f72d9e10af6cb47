/**
 * Replicas in memory for tests of the register client. Each has real acceptors (protocol/register); a test may answer in
 * their place, or let a call fail.
 */

import type { BlockKey, NodeId, RegisterKey } from '../../../protocol/ids.ts'
import { proposerId } from '../../../protocol/ids.ts'
import { handle, recovered, type AcceptorState } from '../../../protocol/register/acceptor.ts'
import { ZERO_BALLOT } from '../../../protocol/register/ballot.ts'
import type { RegisterReply, RegisterRequest } from '../../../protocol/register/types.ts'
import type { OwnedBlock } from '../../replica/blocks.ts'
import type { HostReply } from '../../replica/host-replies.ts'
import { BLOCK_RESULT, type Peers } from '../peers.ts'
import { RegisterClient, type RegisterClientOptions } from '../register-client.ts'
import { SteppedClock } from '../../env/testing/stepped-clock.ts'

export const REPLICAS = ['a', 'b', 'c'] as NodeId[]

const ANSWER_MS = 1

interface Replica {
  readonly registers: Map<RegisterKey, AcceptorState>
  readonly blocks: Map<BlockKey, OwnedBlock>
}

export interface SentRequest {
  readonly to: NodeId
  readonly request: RegisterRequest
}

export class MemoryReplicas {
  readonly clock = new SteppedClock()
  readonly sent: SentRequest[] = []
  /** Which replicas lacked a write, in order. */
  readonly gaps: NodeId[] = []
  readonly down = new Set<NodeId>()
  epoch = 1
  /** The generation below which replicas refuse. */
  minimumGeneration = 0
  /** What a replica answers instead of its acceptor. An error is thrown. */
  answer: (to: NodeId, request: RegisterRequest) => RegisterReply | Error | undefined = () =>
    undefined
  readonly #replicas = new Map<NodeId, Replica>(
    REPLICAS.map((node) => [node, { registers: new Map(), blocks: new Map() }]),
  )

  replica(node: NodeId): Replica {
    return this.#replicas.get(node)!
  }

  client(options: Partial<RegisterClientOptions> = {}): RegisterClient {
    let drawn = 0
    return new RegisterClient({
      peers: this.peers('a' as NodeId),
      placement: {
        epoch: () => this.epoch,
        sets: () => [REPLICAS],
        observe: () => Promise.resolve(),
      },
      clock: this.clock,
      random: { bytes: (length) => new Uint8Array(length).fill(++drawn), float: () => 0.5 },
      proposer: () => proposerId('p'.repeat(16)),
      onGap: (peer) => void this.gaps.push(peer),
      ...options,
    })
  }

  peers(self: NodeId): Peers {
    const peers: Partial<Peers> = {
      self,
      health: { hedgeAfterMs: () => 60, mayHedge: () => true } as unknown as Peers['health'],
      connected: (node) => !this.down.has(node),
      preferred: (nodes) => [...new Set(nodes)],
      register: (to, request, extras) => this.#register(to, request, extras.blocks ?? []),
      getOwnedBlock: async (node, key) => {
        await this.#reach(node)
        return this.replica(node).blocks.get(key)
      },
      putBlock: async (node, block) => {
        await this.#reach(node)
        this.replica(node).blocks.set(block.key, block)
        return { result: BLOCK_RESULT.ok, epoch: this.epoch, owner: new Uint8Array() }
      },
    }
    return peers as Peers
  }

  async #register(
    to: NodeId,
    request: RegisterRequest,
    blocks: readonly OwnedBlock[],
  ): Promise<HostReply> {
    this.sent.push({ to, request })
    await this.#reach(to)
    const scripted = this.answer(to, request)
    if (scripted instanceof Error) throw scripted
    if (scripted !== undefined) return { reply: scripted }
    const replica = this.replica(to)
    for (const block of blocks) replica.blocks.set(block.key, block)
    const env = {
      mark: 1_000_000,
      floor: ZERO_BALLOT,
      epoch: this.epoch,
      minimumGeneration: this.minimumGeneration,
      holdsBlock: (key: BlockKey) => replica.blocks.has(key),
      clockMs: 1,
      faulty: false,
    }
    const ready = handle(
      replica.registers.get(request.key) ?? recovered(undefined, 0),
      env,
      request,
    )
    if (ready.state !== undefined) replica.registers.set(request.key, ready.state)
    return { reply: ready.reply }
  }

  async #reach(node: NodeId): Promise<void> {
    if (this.down.has(node)) {
      throw Object.assign(new Error('unreachable'), { maybeDelivered: false })
    }
    await new Promise<void>((resolve) => void this.clock.after(ANSWER_MS, resolve))
  }
}

/** A call whose request may have been carried out. */
export function lostAnswer(): Error {
  return Object.assign(new Error('no answer'), { maybeDelivered: true })
}
