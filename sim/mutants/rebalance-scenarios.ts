/** Changes of the layout that move registers, led straight to where a broken rule does harm (L1b, L5, L6, L9). */

import { bytesOf, byteString, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { operationId, proposerId } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import {
  backendOf,
  BUCKET,
  codeOf,
  context,
  get,
  nodeOf,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'
import type { Adapt, Play, MutantScenario } from './mutant.ts'
import { withNetwork } from '../testing/changed-ports.ts'
import { cutBetween } from '../testing/cuts.ts'
import { findRegister, storedRegister } from '../testing/stored-registers.ts'

const KEY_TAIL = 'key'
/** Tombstones go soon. */
const SPACE = { reclaimDelayMs: 300, scanPauseMs: 500, tombstoneDelayMs: 300 }
/** Longer than a sync that has all it needs. */
const ENOUGH_MS = 4_000

type Body = (hand: HandLayout, found: string[], play: Play) => Promise<void>

/** Six nodes; only the first three are members, and BUCKET is there. */
function onThree(body: Body, adaptOf?: () => Adapt): MutantScenario {
  return async (play) => {
    const found: string[] = []
    const own = adaptOf?.()
    const adapt: Adapt = (environment, node) => {
      const adapted = own?.(environment, node) ?? environment
      return play.adapt?.(adapted, node) ?? adapted
    }
    await withHandLayout(
      6,
      async (hand) => {
        await hand.become([0, 1, 2])
        await body(hand, found, play)
      },
      { seed: play.seed, space: SPACE, adapt },
    )
    return found
  }
}

function write({ cluster }: HandLayout, node: number, key: string): Promise<void> {
  return put(backendOf(cluster, node), key, EMPTY_BYTES)
}

/** An acknowledged object must be found, once the node answers at all. */
async function mustBeThere(
  hand: HandLayout,
  node: number,
  key: string,
  found: string[],
): Promise<void> {
  let code = ''
  for (let tries = 0; tries < 20; tries++) {
    code = await codeOf(get(backendOf(hand.cluster, node), key))
    if (code !== 'Unavailable') break
    await calmSleep(hand.cluster, 500)
  }
  if (code !== 'ok') found.push(`what was acknowledged is ${code}: it is lost`)
}

/** The value is on two of three members; the third one has missed it. */
async function behind(hand: HandLayout): Promise<void> {
  await write(hand, 0, 'other')
  await calmSleep(hand.cluster, 500)
  cutBetween(hand.cluster, [2], [0, 1])
  await calmSleep(hand.cluster, 100)
  await write(hand, 0, KEY_TAIL)
}

/** Two of three members of P are away. The third one has missed a write. */
export const oneSource: MutantScenario = onThree(async (hand, found) => {
  await behind(hand)
  cutBetween(hand.cluster, [3, 4], [0, 1])
  await hand.plan([2, 3, 4])
  await hand.joint()
  await calmSleep(hand.cluster, ENOUGH_MS)
  if (hand.unsynced(3).length === 0 && hand.unsynced(4).length === 0) {
    await hand.synced()
    hand.cluster.kill(2, false)
  } else {
    hand.cluster.wires.mend()
    await hand.untilSynced(2, 3, 4)
    await hand.synced()
  }
  await mustBeThere(hand, 3, 'key', found)
})

/** A member of P and P′ has missed a write, and another member of P′ can't sync. */
export const survivorBehind: MutantScenario = onThree(async (hand, found) => {
  await behind(hand)
  cutBetween(hand.cluster, [4], [0, 1])
  // What it copies is the same on all members, so nothing has to be settled.
  cutBetween(hand.cluster, [3], [2])
  await hand.plan([2, 3, 4])
  await hand.untilCaughtUp(3)
  await hand.joint()
  await calmSleep(hand.cluster, ENOUGH_MS)
  if (hand.unsynced(2).length > 0) {
    hand.cluster.wires.mend()
    await hand.untilSynced(2, 3, 4)
  } else if (hand.unsynced(3).length > 0) found.push('node 3 can sync, and has not')
  await hand.synced()
  hand.cluster.kill(3, false)
  await mustBeThere(hand, 2, 'key', found)
})

/** A member of P whose register is FAULTY has the only other copy of it. */
export const faultyWitness: MutantScenario = onThree(async (hand, found) => {
  const { cluster } = hand
  // All three know the bucket's minimum for the partition: else they would differ in that.
  await write(hand, 0, KEY_TAIL)
  await collectKey(hand, [0, 1, 2])
  await behind(hand)
  await write(hand, 0, 'end')
  await nodeOf(cluster, 0).store.commitIndex()
  cluster.kill(0, false)
  await damage(hand, 0, 'key')
  cluster.wipeIndex(0)
  await cluster.start(0)
  cutBetween(hand.cluster, [3, 4, 5], [1])
  cutBetween(hand.cluster, [0], [1])
  await hand.plan([3, 4, 5])
  await hand.joint()
  await calmSleep(cluster, ENOUGH_MS)
  if (hand.unsynced(3).length > 0) {
    cluster.wires.mend()
    await hand.untilSynced(3, 4, 5)
  }
  await hand.synced()
  await mustBeThere(hand, 3, 'key', found)
})

/** Flips a bit of the last place of the text in the log. */
async function damage({ cluster }: HandLayout, node: number, text: string): Promise<void> {
  const disk = cluster.diskOf(node)
  for (const name of (await disk.list('log')).toSorted().toReversed()) {
    const file = await disk.open(`log/${name}`, 'read')
    const bytes = new Uint8Array(await file.sizeBytes())
    await file.read(bytes, 0)
    const at = Buffer.from(bytes).lastIndexOf(text)
    if (at < 0) continue
    disk.corrupt(`log/${name}`, at + text.length + 20, 1)
    return
  }
  throw new Error(`node ${node} has no record of ${text}`)
}

const ballot = (counter: number) => ({ counter, proposer: proposerId('p'.repeat(16)) })

/** Sends an accept to one member of P only, from a proposer that does nothing after it. */
async function voteAt(
  hand: HandLayout,
  node: number,
  request: Pick<RegisterRequest, 'key'> & { counter: number; accept: boolean },
): Promise<string> {
  const { host, layout } = nodeOf(hand.cluster, node)
  const base = { key: request.key, epoch: layout.current()!.epoch, ballot: ballot(request.counter) }
  if (!request.accept) return (await host.handle({ type: 'prepare', ...base })).reply.type
  const value = {
    operation: operationId('o'.repeat(16)),
    tombstone: false,
    body: host.peek(request.key)!.value.body,
    blocks: [],
  }
  const next = ballot(request.counter)
  return (await host.handle({ type: 'accept', ...base, value, next })).reply.type
}

/** One member of P has accepted what was never chosen. */
export const unchosenPair: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, KEY_TAIL)
  await calmSleep(hand.cluster, 500)
  const key = storedRegister(hand.cluster, 0, KEY_TAIL).key
  const counter = nodeOf(hand.cluster, 2).host.peek(key)!.ballot.counter + 50
  // No other node learns of it before the sync.
  cutBetween(hand.cluster, [2], [0, 1])
  cutBetween(hand.cluster, [3], [1])
  await voteAt(hand, 2, { key, counter, accept: false })
  if ((await voteAt(hand, 2, { key, counter, accept: true })) !== 'accepted') {
    throw new Error('the accept was refused')
  }
  await hand.plan([3, 4, 5])
  await calmSleep(hand.cluster, ENOUGH_MS)
  const isCopy = (node: number): boolean =>
    nodeOf(hand.cluster, node).host.peek(key)?.ballot.counter === counter
  if (isCopy(3)) found.push('a learner has copied what was not chosen')
  await hand.joint()
  await calmSleep(hand.cluster, ENOUGH_MS)
  if (isCopy(3)) found.push('the sync has copied what was not chosen')
  hand.cluster.wires.mend()
  await hand.untilSynced(3, 4, 5)
  await hand.synced()
})

/** Members of P have promised a ballot, and one of them alone has accepted at it. */
export const promiseForgotten: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, KEY_TAIL)
  await calmSleep(hand.cluster, 500)
  const key = storedRegister(hand.cluster, 0, KEY_TAIL).key
  const counter = nodeOf(hand.cluster, 0).host.mark + 5_000_000
  for (const node of [0, 1, 2]) await voteAt(hand, node, { key, counter, accept: false })
  await hand.become([2, 3, 4])
  for (const node of [3, 4]) {
    const type = await voteAt(hand, node, { key, counter: counter - 1, accept: false })
    if (type === 'promised') found.push(`node ${node} promises less than P has promised`)
  }
})

/** The states that a sync has asked for arrive in the next epoch. */
export function lateCopy(): MutantScenario {
  let hold = false
  let release = (): void => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  const adapt: Adapt = (environment, node) => {
    const { network } = environment
    if (node !== 3) return environment
    return withNetwork(environment, {
      call: async (peer, traffic, message, options) => {
        const answer = await network.call(peer, traffic, message, options)
        if (hold && message.type === RPC.states) await gate
        return answer
      },
    })
  }
  return onThree(
    async (hand, found) => {
      await write(hand, 0, KEY_TAIL)
      await calmSleep(hand.cluster, 500)
      hold = true
      await hand.plan([0, 1, 3])
      await calmSleep(hand.cluster, 1_000)
      await hand.abandoned()
      release()
      await calmSleep(hand.cluster, 1_000)
      if (findRegister(hand.cluster, 3, KEY_TAIL) !== undefined) {
        found.push('a register was copied in an epoch that is over')
      }
    },
    () => adapt,
  )
}

/** What was collected has left a floor, and a change of the bucket a minimum. */
function carried(what: 'floor' | 'minimum'): MutantScenario {
  return onThree(async (hand, found) => {
    const backend = backendOf(hand.cluster, 0)
    await write(hand, 0, KEY_TAIL)
    const key = storedRegister(hand.cluster, 0, KEY_TAIL).key
    await backend.deleteObject(context(), { bucket: BUCKET, key: KEY_TAIL })
    await hand.until(() =>
      [0, 1, 2].every((node) => findRegister(hand.cluster, node, KEY_TAIL) === undefined),
    )
    await hand.become([3, 4, 5])
    const partition = partitionOfKey(key)
    const of = (node: number): string => {
      const { host, store } = nodeOf(hand.cluster, node)
      if (what === 'floor') return String(host.floor(partition).counter)
      let minima = ''
      store.range(bytesOf('g'), bytesOf('h'), 10_000, (row, value) => {
        minima += `${byteString(row)}${byteString(value.subarray(0, 8))} `
      })
      return minima
    }
    if (of(0) === '0' || of(0) === '') throw new Error(`there is no ${what} to carry`)
    for (const node of [3, 4, 5])
      if (of(node) !== of(0)) found.push(`node ${node} has another ${what}`)
  })
}

export const floorCarried: MutantScenario = carried('floor')
export const minimumCarried: MutantScenario = carried('minimum')

async function collectKey(hand: HandLayout, members: readonly number[]): Promise<void> {
  const backend = backendOf(hand.cluster, members[0]!)
  await backend.deleteObject(context(), { bucket: BUCKET, key: KEY_TAIL })
  await hand.until(() =>
    members.every((node) => findRegister(hand.cluster, node, KEY_TAIL) === undefined),
  )
}

/** A node leaves with a value, which is deleted and collected without it, and comes back. */
export const returning: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, KEY_TAIL)
  await hand.become([3, 4, 5])
  if (findRegister(hand.cluster, 1, KEY_TAIL) === undefined) throw new Error('nothing is left over')
  await collectKey(hand, [3, 4, 5])
  await hand.become([1, 3, 4])
  await mustStayGone(hand, 3, 4, found)
})

/** Kills one node, so that the node that came back has to be in every majority. */
async function mustStayGone(
  hand: HandLayout,
  killed: number,
  through: number,
  found: string[],
): Promise<void> {
  hand.cluster.kill(killed, false)
  for (let tries = 0; tries < 10; tries++) {
    const code = await codeOf(get(backendOf(hand.cluster, through), KEY_TAIL))
    if (code === 'ok') found.push('what was deleted is back')
    if (code !== 'Unavailable') return
    await calmSleep(hand.cluster, 500)
  }
}

/**
 * What a learner copied in a run that ended is left over. It hears of the end and of the next run at once, so that it
 * must look at each entry.
 */
export const endedRun: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, KEY_TAIL)
  await hand.plan([0, 1, 3])
  await hand.untilCaughtUp(3)
  if (findRegister(hand.cluster, 3, KEY_TAIL) === undefined) throw new Error('nothing was learnt')
  const others = [0, 1, 2, 4, 5]
  cutBetween(hand.cluster, [3], others)
  await hand.abandoned(others)
  await collectKey(hand, [0, 1, 2])
  await hand.plan([0, 1, 3], others)
  hand.cluster.wires.mend()
  await hand.tell()
  await hand.untilCaughtUp(3)
  await hand.joint()
  await hand.untilSynced(0, 1, 3)
  await hand.synced()
  await mustStayGone(hand, 0, 1, found)
})

/** Most members of P are away. A write that only one member and two learners have must not be acknowledged. */
export const learnersVote: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, 'other')
  await hand.plan([0, 3, 4])
  await hand.untilCaughtUp(3, 4)
  cutBetween(hand.cluster, [0, 3, 4], [1, 2])
  await calmSleep(hand.cluster, 200)
  const code = await codeOf(write(hand, 0, KEY_TAIL))
  hand.cluster.wires.mend()
  cutBetween(hand.cluster, [0], [1, 2])
  await hand.abandoned()
  if (code === 'ok') await mustBeThere(hand, 1, KEY_TAIL, found)
})

/** What was synced in one JOINT does not count in the next one. */
export const syncedBefore: MutantScenario = onThree(async (hand, found) => {
  await write(hand, 0, KEY_TAIL)
  await hand.plan([0, 3, 4])
  await hand.untilCaughtUp(3, 4)
  await hand.joint()
  await hand.untilSynced(0, 3, 4)
  hand.cluster.kill(0, true)
  await hand.cluster.start(0)
  if (hand.unsynced(0).length > 0) throw new Error('what was synced did not outlive a restart')
  await hand.abandoned()
  await write(hand, 0, 'newer')
  await hand.plan([0, 3, 4])
  cutBetween(hand.cluster, [1, 2], [0, 3, 4])
  await hand.joint()
  await calmSleep(hand.cluster, ENOUGH_MS)
  for (const node of [0, 3, 4]) {
    if (hand.unsynced(node).length === 0) {
      found.push(`node ${node} counts as synced without a word of P`)
    }
  }
  hand.cluster.wires.mend()
  await hand.untilSynced(0, 3, 4)
})
