/** Breaks of L6b: what was begun in one epoch and is ready in the next. */

import { bucketId, operationId, proposerId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { RegisterReply } from '../../protocol/register/types.ts'
import type { DiskFile } from '../../node/env/ports.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import { SimulatedCluster } from '../world/cluster.ts'
import { calmUntil } from '../testing/calm-cluster.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'
import { withMethods } from '../testing/changed-ports.ts'

const KEY = objectRegister(bucketId('c'.repeat(16)), 0, 'key', 6)
const ballot = (counter: number) => ({ counter, proposer: proposerId('p'.repeat(16)) })
const VALUE = {
  operation: operationId('o'.repeat(16)),
  tombstone: false,
  body: EMPTY_BYTES,
  blocks: [],
}

/** While a node flushes an accept, another one joins: the node is in the next epoch when it is done. */
const acceptAcrossEpochs: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  let gate: Promise<void> | undefined
  const gated = (file: DiskFile): DiskFile =>
    withMethods(file, { flush: () => (gate ?? Promise.resolve()).then(() => file.flush()) })
  const cluster = new SimulatedCluster({
    seed,
    nodes: 4,
    observer: () => {},
    adapt: (environment, node) => {
      const { disk } = environment
      if (node !== 0) return environment
      const open: typeof disk.open = async (path, mode) => {
        const file = await disk.open(path, mode)
        return path.startsWith('log/') ? gated(file) : file
      }
      return { ...environment, disk: withMethods(disk, { open }) }
    },
  })
  const run = async (): Promise<void> => {
    const forming = cluster.form()
    await calmUntil(cluster, 'node 0 is up', () => cluster.node(0) !== undefined, 1)
    const { host, layout } = cluster.node(0)!
    // The transition ends in any case: in the next layout or back in the old one.
    await calmUntil(cluster, 'JOINT', () => layout.current()?.state === 'JOINT', 1)
    const { epoch } = layout.current()!
    await host.handle({ type: 'prepare', key: KEY, epoch, ballot: ballot(5) })
    if (layout.current()!.epoch !== epoch) throw new Error('the next epoch came too soon')
    let release = (): void => {}
    gate = new Promise((resolve) => (release = resolve))
    const accepted = host.handle({
      type: 'accept',
      key: KEY,
      epoch,
      ballot: ballot(5),
      value: VALUE,
      next: ballot(6),
    })
    let reply: RegisterReply | undefined
    accepted.then((answer) => (reply = answer.reply)).catch(() => {})
    await calmUntil(cluster, 'the next epoch', () => layout.current()!.epoch > epoch, 1)
    if (reply !== undefined) throw new Error(`answered before the flush: ${reply.type}`)
    release()
    const { type } = (await accepted).reply
    if (type !== 'stale-epoch') found.push(`flushed in the next epoch and answered: ${type} (L6b)`)
    forming.catch(() => {})
  }
  await cluster.clock.settle(run())
  return found
}

export const EPOCH_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'epoch-not-checked-after-flush',
    rule: 'L6b',
    breaks: 'an accept that is flushed in a later epoch is still acknowledged',
    by: 'a node that joins while an accept is flushed',
    scenario: acceptAcrossEpochs,
    caughtAs: /answered: accepted \(L6b\)/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(AcceptorHost.prototype, 'refusalOf', () => () => undefined)
    },
  },
]
