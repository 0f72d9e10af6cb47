/** A register client on one map, each change at once and alone: for tests of what is built on registers. */

import type { BlockKey, RegisterKey } from '../../../protocol/ids.ts'
import { operationId } from '../../../protocol/ids.ts'
import type { RegisterValue } from '../../../protocol/register/types.ts'
import { ListedRegister } from '../../quorum/list-cursor.ts'
import type { Lister, Walk } from '../../quorum/lister.ts'
import type { RegisterClient } from '../../quorum/register-client.ts'
import type { ChangeOutcome, ChangeRequest } from '../../quorum/register-change.ts'

const OPERATION = operationId('x'.repeat(16))
const BALLOT = { counter: 1, proposer: 'p'.repeat(16) as never }

export class MemoryRegisters {
  readonly values = new Map<RegisterKey, RegisterValue>()
  /** Called before each change. A test can delay the change or let it fail. */
  before: (key: RegisterKey) => Promise<void> | undefined = () => undefined
  /** What a majority of clocks has passed. */
  clockMs = 0
  changes = 0
  /** Blocks that were sent with the values that were written. */
  readonly blocks = new Map<BlockKey, Uint8Array>()
  /** How often a change is called in vain first, as if its accepts had been lost. */
  lost = 0
  /** Whether the present state is known to be chosen. */
  chosen = true

  async change(_context: unknown, request: ChangeRequest): Promise<ChangeOutcome> {
    const { key, change, block, fence } = request
    await this.before(key)
    this.changes++
    fence?.current()
    const current = this.values.get(key)
    const call = (): ReturnType<typeof change> => {
      const result = change(current, this.chosen, this.clockMs)
      const named = 'write' in result ? result.write.blocks : []
      for (const each of [block, ...(result.blocks ?? [])]) {
        if (each && named.includes(each.key)) this.blocks.set(each.key, each.bytes)
      }
      return result
    }
    // Blocks of these calls may be stored all the same.
    for (let i = 0; i < this.lost; i++) call()
    const result = call()
    if ('keep' in result) {
      return { type: 'kept', current: current && { ballot: BALLOT, value: current } }
    }
    const value = { ...result.write, operation: OPERATION }
    this.values.set(key, value)
    // A proposer that can't know whether it was chosen asks again, and meets its own change.
    change(value, this.chosen, this.clockMs)
    return { type: 'written', value, before: current, writtenAt: BALLOT }
  }

  async read(_context: unknown, { key }: { key: RegisterKey }): Promise<unknown> {
    const value = this.values.get(key)
    return { accepted: value && { ballot: BALLOT, value } }
  }

  get registers(): RegisterClient {
    return this as unknown as RegisterClient
  }

  /** Walks the map as it is at each step. */
  get lister(): Lister {
    const { values } = this
    const walk = (_context: unknown, asked: Walk): unknown => {
      let start = asked.after
      return {
        take: () => undefined,
        next: () => {
          const listed = asked.shards.flatMap((shard) => {
            const { start: from, end } = asked.range(shard, start)
            return [...values].filter(([key]) => key >= from && key < end)
          })
          const live = listed
            .filter(([, value]) => !value.tombstone)
            .map(([key, value]) => ListedRegister.of(key, value.body))
            .filter(({ name }) => start === undefined || name > start)
            .sort((a, b) => (a.name < b.name ? -1 : 1))
          start = live[0]?.name
          return Promise.resolve(live[0])
        },
        skipTo: (name: string) => {
          start = name
        },
      }
    }
    return { walk } as unknown as Lister
  }
}
