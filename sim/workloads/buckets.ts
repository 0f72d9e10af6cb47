/**
 * Buckets that are created, deleted and created again under writers: for each name, its history with the one
 * key that is put, read and deleted in it is linearizable. So nothing is written into a deleted bucket, no
 * object outlives its bucket, and no bucket goes while something is in it.
 */

import type { SimulatedCluster } from '../world/cluster.ts'
import { isLinearizableFor, type HistoryCall } from '../checkers/linearizability.ts'
import { Clients, clientContext, putRequest, readTag, type Workload } from './clients.ts'

const THINK_MS_MAX = 250
const KEY = 'the key'

/** The state of a name: no bucket, an empty one, or the tag of the object in it. */
type State = 'none' | 'empty' | number

type Operation = 'create' | 'drop' | 'put' | 'delete' | 'get'

interface Step {
  readonly operation: Operation
  readonly tag: number
  /** As answered; absent: unknown. */
  readonly answer?: string | number | undefined
}

/** The state afterwards; undefined when that answer can't be given in that state. */
function apply({ operation, tag, answer }: Step, state: State): State | undefined {
  const known = (expected: string | number): boolean => answer === undefined || answer === expected
  if (state === 'none') {
    if (operation === 'create') return known('ok') ? 'empty' : undefined
    return known('NoSuchBucket') ? 'none' : undefined
  }
  switch (operation) {
    case 'create':
      return known('BucketAlreadyOwnedByYou') ? state : undefined
    case 'drop':
      if (state === 'empty') return known('ok') ? 'none' : undefined
      return known('BucketNotEmpty') ? state : undefined
    case 'put':
      return known('ok') ? tag : undefined
    case 'delete':
      return known('ok') ? 'empty' : undefined
    case 'get':
      return known(state === 'empty' ? 'NoSuchKey' : state) ? state : undefined
  }
}

export class BucketsWorkload implements Workload {
  readonly #clients: Clients
  readonly #histories = new Map<string, HistoryCall<Step>[]>()
  #tag = 3_000_000

  constructor(cluster: SimulatedCluster, names: number) {
    this.#clients = new Clients(cluster)
    for (let i = 0; i < names; i++) this.#histories.set(`again-${i}`, [])
  }

  get violations(): string[] {
    return this.#clients.violations
  }

  get counts(): { done: number; unknown: number } {
    return this.#clients.counts
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  async run(isOver: () => boolean): Promise<void> {
    const client = async (): Promise<void> => {
      while (!isOver()) {
        await this.#clients.think(THINK_MS_MAX)
        await this.#step()
      }
    }
    await Promise.all([client(), client(), client()])
    for (const [name, history] of this.#histories) {
      if (!isLinearizableFor<Step, State>(history, 'none', apply)) {
        const short = firstFault(history)
        this.violations.push(`history of bucket ${name} is not linearizable: ${shown(short)}`)
      }
    }
  }

  async #step(): Promise<void> {
    const name = this.#clients.pick([...this.#histories.keys()])!
    const dice = this.#clients.cluster.random()
    const operation: Operation =
      dice < 0.2
        ? 'create'
        : dice < 0.45
          ? 'drop'
          : dice < 0.65
            ? 'put'
            : dice < 0.85
              ? 'delete'
              : 'get'
    const tag = ++this.#tag
    const calledMs = this.#clients.nowMs
    const answer = await this.#ask(name, operation, tag)
    const returnedMs = answer === undefined ? Infinity : this.#clients.nowMs
    // A read without an answer says nothing.
    if (answer === undefined && operation === 'get') return
    // "In the way of another one" is no statement about the state.
    if (answer === 'Conflict') return
    this.#histories.get(name)!.push({ step: { operation, tag, answer }, calledMs, returnedMs })
  }

  async #ask(
    bucket: string,
    operation: Operation,
    tag: number,
  ): Promise<string | number | undefined> {
    const outcome = await this.#clients.ask(
      `bucket ${operation} ${bucket} ${tag}`,
      async (node) => {
        switch (operation) {
          case 'create':
            await node.createBucket(clientContext('CreateBucket'), {
              bucket,
              ownerAccount: '1',
              region: 'sim',
            })
            return 'ok'
          case 'drop':
            await node.deleteBucket(clientContext('DeleteBucket'), bucket)
            return 'ok'
          case 'put':
            await node.putObject(clientContext('PutObject'), putRequest(bucket, KEY, tag))
            return 'ok'
          case 'delete':
            await node.deleteObject(clientContext('DeleteObject'), { bucket, key: KEY })
            return 'ok'
          case 'get':
            return (await readTag(node, { bucket, key: KEY })).tag
        }
      },
    )
    if (outcome === 'unknown') return undefined
    return 'code' in outcome ? outcome.code : outcome.value
  }

  checkCalm(): Promise<void> {
    return Promise.resolve()
  }
}

/** What had been called when it first went wrong, and of that the last few. */
function firstFault(history: readonly HistoryCall<Step>[]): HistoryCall<Step>[] {
  const ends = history.map(({ returnedMs }) => returnedMs).filter((ms) => ms !== Infinity)
  for (const end of ends.sort((a, b) => a - b)) {
    const prefix = history
      .filter(({ calledMs }) => calledMs <= end)
      .map((call) => {
        if (call.returnedMs <= end) return call
        return { ...call, returnedMs: Infinity, step: { ...call.step, answer: undefined } }
      })
    if (isLinearizableFor<Step, State>(prefix, 'none', apply)) continue
    return prefix.sort((a, b) => a.calledMs - b.calledMs).slice(-25)
  }
  return [...history]
}

function shown(history: readonly HistoryCall<Step>[]): string {
  return history
    .map(
      ({ step, calledMs, returnedMs }) =>
        `${step.operation} ${step.tag}=${step.answer ?? '?'}@${calledMs.toFixed(0)}-${returnedMs.toFixed(0)}`,
    )
    .join(' ')
    .slice(0, 4_000)
}
