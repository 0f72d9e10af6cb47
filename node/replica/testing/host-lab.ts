/** An acceptor host on a store whose flushes a test holds back, and requests to it. */

import {
  bucketId,
  operationId,
  proposerId,
  type NodeId,
  type RegisterKey,
} from '../../../protocol/ids.ts'
import { objectRegister } from '../../../protocol/keyspace/register-key.ts'
import type { Ballot } from '../../../protocol/register/ballot.ts'
import type { Fence, RegisterReply, RegisterValue } from '../../../protocol/register/types.ts'
import { HeldStore } from '../../log/testing/held-store.ts'
import { AcceptorHost } from '../acceptor-host.ts'
import { applyRecord } from '../apply-record.ts'
import { BlockStore } from '../blocks.ts'

export const LAB_BUCKET = bucketId('b'.repeat(16))
export const KEY = objectRegister(LAB_BUCKET, 0, 'key', 6)
/** In the same partition. */
export const OTHER = objectRegister(LAB_BUCKET, 0, 'other', 6)
/** In another partition. */
export const FAR = objectRegister(LAB_BUCKET, 1, 'far', 6)
export const P1 = proposerId('1'.repeat(16))
export const P2 = proposerId('2'.repeat(16))
/** Above what a fresh host ever reserved. */
export const STEP = 1 << 20

export type HandleExtras = Parameters<AcceptorHost['handle']>[1]

export function fence(generation: number): Fence {
  return { bucket: LAB_BUCKET, generation }
}

export function ballot(counter: number, proposer = P1): Ballot {
  return { counter, proposer }
}

export function valueOf(text: string, blocks: RegisterValue['blocks'] = []): RegisterValue {
  const body = new Uint8Array(Buffer.from(text))
  return { operation: operationId(text.padEnd(16, '-')), tombstone: false, body, blocks }
}

/** Whether it has been answered by now. */
export async function state(work: Promise<RegisterReply>): Promise<string> {
  const turn = new Promise<string>((resolve) => setImmediate(() => resolve('waits')))
  return Promise.race([work.then(({ type }) => type), turn])
}

export class HostLab {
  readonly store = new HeldStore(applyRecord)
  host: AcceptorHost
  replica = true
  epoch = 1

  constructor() {
    this.host = this.#newHost()
  }

  /** A new host on what the store has. */
  restart(promiseBytesMax?: number): void {
    this.host = this.#newHost(promiseBytesMax)
  }

  async prepare(counter: number, key: RegisterKey = KEY, generation = 0): Promise<RegisterReply> {
    const request = {
      type: 'prepare',
      key,
      epoch: 1,
      fence: fence(generation),
      ballot: ballot(counter),
    } as const
    return (await this.host.handle(request)).reply
  }

  async accept(
    counter: number,
    text: string,
    {
      key = KEY,
      generation = 0,
      blocks = [] as RegisterValue['blocks'],
      extras = {} as HandleExtras,
      tombstone = false,
      body = valueOf(text).body,
    } = {},
  ): Promise<RegisterReply> {
    const { reply } = await this.host.handle(
      {
        type: 'accept',
        key,
        epoch: 1,
        fence: fence(generation),
        ballot: ballot(counter),
        value: { ...valueOf(text, blocks), tombstone, body },
        next: ballot(counter + 1),
      },
      extras,
    )
    return reply
  }

  async read(key: RegisterKey = KEY, generation = 0): Promise<RegisterReply> {
    const request = {
      type: 'read',
      key,
      epoch: 1,
      fence: fence(generation),
      want: 'value',
    } as const
    return (await this.host.handle(request)).reply
  }

  #newHost(promiseBytesMax?: number): AcceptorHost {
    return new AcceptorHost({
      nowMs: () => 1,
      store: this.store.store,
      blocks: new BlockStore(this.store.store),
      epoch: () => this.epoch,
      isReplica: () => this.replica,
      self: 'self' as NodeId,
      promiseBytesMax,
    })
  }
}
