/**
 * One round of questions to the replicas of several shards. It ends when a majority of each shard's replica sets has
 * answered; the others are not waited for.
 *
 *   - a round has one epoch: it asks and counts the replica sets of the epoch that its questions carry (L4)
 *   - all questions of a round have the same limits, so that equal states give equal digests on every replica
 *   - a replica that refuses is replaced by the next one at once; a replica that is slow is joined by it
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import type { NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { isQuorum, majority } from '../../protocol/register/quorum.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import type { ListInterval, ListReply } from '../../protocol/rpc/list-reply.ts'
import type { Clock } from '../env/ports.ts'
import type { Peers } from './peers.ts'
import type { FenceSource } from './fence-source.ts'
import { LIST_REPLY_BYTES_MAX, LIST_RESULT } from '../replica/list-service.ts'
import type { ReplicaPlacement } from './replica-placement.ts'

const CALL_TIMEOUT_MS = 4_000

/** A range of registers of one partition: keys from `start` (inclusive) to `end` (exclusive). */
export interface ListQuestion {
  readonly start: Uint8Array<ArrayBuffer>
  readonly end: Uint8Array<ArrayBuffer>
}

export interface ListRoundOptions {
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly clock: Clock
  readonly bucket: FenceSource
  /** How many rows of one shard to ask for. */
  readonly limit: number
  /** Every replica sends rows; when false, one replica of each shard does, and the others send digests. */
  readonly rowsOfAll: boolean
}

export interface ListAnswer {
  readonly node: NodeId
  /** False when the node was asked for a digest only. */
  readonly hasRows: boolean
  readonly reply: ListInterval
}

export interface ListAnswers {
  /** The replica sets in the epoch of the round; a majority of each has answered. */
  readonly sets: ReplicaSets
  readonly answers: readonly ListAnswer[]
}

/** One shard's question, whom it was put to, and the answers so far. */
interface Shard {
  readonly question: ListQuestion
  readonly sets: ReplicaSets
  /** In the order in which they are asked. */
  readonly replicas: readonly NodeId[]
  readonly asked: Set<NodeId>
  /** Replicas that were asked for rows and have not failed. */
  readonly askedRows: Set<NodeId>
  readonly answers: ListAnswer[]
}

/**
 * For each question the answers of a majority, at least one of them with rows; undefined when they did not come, or the
 * layout has changed meanwhile. Throws what `bucket.refresh` throws.
 */
export function askShards(
  options: ListRoundOptions,
  questions: readonly ListQuestion[],
): Promise<(ListAnswers | undefined)[]> {
  return new ListRound(options, questions).run()
}

class ListRound {
  readonly #options: ListRoundOptions
  readonly #shards: readonly Shard[]
  /** Read once: all questions of the round carry the same generation (T8). */
  readonly #fence: ReturnType<FenceSource['current']>
  readonly #epoch: number
  /** No set has more than one replica: there is nothing to compare, and digests are left out. */
  readonly #alone: boolean
  /** Cancels the hedges that are pending. */
  readonly #timers = new Set<() => void>()
  /**
   * Nodes that have failed, refused or are slow. A majority has to come without them, but their answers still count.
   */
  readonly #doubtful = new Set<NodeId>()
  /** The same for every replica of the round. The replica with the most questions decides it. */
  #intervalBytesMax = 0
  /** Calls without an answer. */
  #open = 0
  #over = false
  /** A replica obeys a later generation only: the bucket's record is read again before the caller goes on. */
  #staleFence = false
  /** Ends the round: answers that come later are ignored. */
  #end = (): void => {}

  constructor(options: ListRoundOptions, questions: readonly ListQuestion[]) {
    const { peers, placement, bucket } = options
    this.#options = options
    this.#fence = bucket.current()
    this.#epoch = placement.epoch()
    this.#shards = questions.map((question) => {
      const sets = placement.sets(partitionOfKey(byteString(question.start) as RegisterKey))
      return {
        question,
        sets,
        replicas: peers.preferred(sets.flat(), 'list'),
        asked: new Set(),
        askedRows: new Set(),
        answers: [],
      }
    })
    this.#alone = this.#shards.every(({ sets }) => sets.every((set) => set.length === 1))
  }

  /** Resolves when every question is answered, when all replicas were asked in vain, or when the round is stale. */
  async run(): Promise<(ListAnswers | undefined)[]> {
    await new Promise<void>((resolve) => {
      this.#end = () => {
        this.#over = true
        for (const cancel of this.#timers) cancel()
        resolve()
      }
      this.#askMore()
      if (this.#open === 0) this.#end()
    })
    const { bucket } = this.#options
    if (this.#staleFence || bucket.isUsable?.() === false) await bucket.refresh()
    return this.#shards.map((shard) => {
      const { sets, answers } = shard
      return this.#isAnswered(shard) ? { sets, answers } : undefined
    })
  }

  /** Asks enough replicas that a majority answers even if none of the doubtful ones does. */
  #askMore(without?: NodeId): void {
    if (without !== undefined) this.#doubtful.add(without)
    const doubtful = this.#doubtful
    const byNode = new Map<NodeId, { shard: Shard; digestOnly: boolean }[]>()
    const { rowsOfAll } = this.#options
    for (const shard of this.#shards) {
      if (this.#isAnswered(shard)) continue
      for (const node of lacking(shard, doubtful)) {
        const rows = rowsOfAll || ![...shard.askedRows].some((other) => !doubtful.has(other))
        shard.asked.add(node)
        if (rows) shard.askedRows.add(node)
        const question = { shard, digestOnly: !rows }
        const list = byNode.get(node)
        if (list === undefined) byNode.set(node, [question])
        else list.push(question)
      }
      this.#askForRows(shard, byNode)
    }
    if (this.#intervalBytesMax === 0) {
      const most = Math.max(1, ...[...byNode.values()].map((list) => list.length))
      this.#intervalBytesMax = Math.floor(LIST_REPLY_BYTES_MAX / most)
    }
    for (const [node, list] of byNode) void this.#ask(node, list)
  }

  /** Called when a majority has sent digests but the replica with the rows is silent: another one is asked for rows
   * too. */
  #askForRows(shard: Shard, byNode: Map<NodeId, { shard: Shard; digestOnly: boolean }[]>): void {
    const doubtful = this.#doubtful
    if ([...shard.askedRows].some((node) => !doubtful.has(node))) return
    const node = shard.replicas.find((each) => !doubtful.has(each) && shard.asked.has(each))
    if (node === undefined) return
    shard.askedRows.add(node)
    const list = byNode.get(node)
    if (list === undefined) byNode.set(node, [{ shard, digestOnly: false }])
    else list.push({ shard, digestOnly: false })
  }

  /** One message to one node, for all shards that it is asked about. The node is replaced when it fails or refuses. */
  async #ask(node: NodeId, list: readonly { shard: Shard; digestOnly: boolean }[]): Promise<void> {
    const { peers, placement } = this.#options
    this.#open++
    const cancelHedge = this.#hedgeLater(node)
    let reply: ListReply | undefined
    try {
      reply = await peers.list(node, this.#requestOf(list), { timeoutMs: CALL_TIMEOUT_MS })
      if (reply.kind === LIST_RESULT.staleEpoch) await placement.observe(reply.epoch, node)
    } catch {
      // A replica that cannot be reached or does not answer is replaced below.
    }
    this.#open--
    cancelHedge()
    if (this.#over) return
    if (reply?.kind === LIST_RESULT.ok && reply.intervals.length === list.length) {
      for (const [i, { shard, digestOnly }] of list.entries()) {
        answered(shard, { node, hasRows: !digestOnly, reply: reply.intervals[i]! })
      }
    } else {
      for (const { shard } of list) shard.askedRows.delete(node)
      this.#staleFence ||= reply?.kind === LIST_RESULT.staleFence
      const isStale = this.#staleFence || placement.epoch() !== this.#epoch
      if (isStale) return this.#end()
      this.#askMore(node)
    }
    if (this.#open === 0 || this.#shards.every((shard) => this.#isAnswered(shard))) this.#end()
  }

  /** Returns a function that cancels the hedge. */
  #hedgeLater(node: NodeId): () => void {
    const { peers, clock } = this.#options
    const timer = { cancel: (): void => {} }
    const later = (): void => {
      const cancel = clock.after(peers.health.hedgeAfterMs('list'), () => {
        this.#timers.delete(cancel)
        if (this.#over) return
        if (peers.health.mayHedge(node, 'list')) this.#askMore(node)
        else later()
      })
      this.#timers.add(cancel)
      timer.cancel = () => {
        this.#timers.delete(cancel)
        cancel()
      }
    }
    later()
    return () => timer.cancel()
  }

  /** A majority of each set has answered, one of them with rows. */
  #isAnswered({ sets, answers }: Shard): boolean {
    return (
      answers.some(({ hasRows }) => hasRows) &&
      isQuorum(
        sets,
        answers.map(({ node }) => node),
      )
    )
  }

  #requestOf(list: readonly { shard: Shard; digestOnly: boolean }[]): Parameters<Peers['list']>[1] {
    return {
      epoch: this.#epoch,
      fenceBucket: bytesOf(this.#fence.bucket),
      fenceGeneration: this.#fence.generation,
      limit: this.#options.limit,
      intervalBytesMax: this.#intervalBytesMax,
      alone: this.#alone,
      intervals: list.map(({ shard: { question }, digestOnly }) => ({
        start: question.start,
        end: question.end,
        digestOnly,
      })),
    }
  }
}

/** Replicas to ask besides those that were asked: in each set enough for a majority without the doubtful ones. */
function lacking(
  { sets, replicas, asked }: Shard,
  doubtful: ReadonlySet<NodeId>,
): readonly NodeId[] {
  const chosen = new Set<NodeId>()
  for (const set of sets) {
    let hopeful = set.filter(
      (node) => chosen.has(node) || (asked.has(node) && !doubtful.has(node)),
    ).length
    for (const node of replicas) {
      if (hopeful >= majority(set.length)) break
      if (!set.includes(node) || asked.has(node) || chosen.has(node)) continue
      chosen.add(node)
      hopeful++
    }
  }
  return replicas.filter((node) => chosen.has(node))
}

/** A second answer of a node, with rows, replaces its first. */
function answered(shard: Shard, answer: ListAnswer): void {
  const at = shard.answers.findIndex(({ node }) => node === answer.node)
  if (at < 0) shard.answers.push(answer)
  else if (answer.hasRows) shard.answers[at] = answer
}
