/** Breaks of G1 to G5: what is forgotten too early, freed too early, or never. */

import { ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { Attempts } from '../../node/replica/attempts.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import { RegisterClient } from '../../node/quorum/register-client.ts'
import { type NodeChange } from '../../node/quorum/register-change.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { Scan } from '../../node/reclaim/scan.ts'
import { RegisterStates } from '../../node/replica/register-states.ts'
import { TOMBSTONE, Tombstones, type Tombstone } from '../../node/replica/tombstones.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import type { Patches } from './patches.ts'
import {
  acceptBehindCollection,
  copyBehindCollection,
  deleteUnheard,
  lonelyAccept,
  slowPut,
} from './scenarios.ts'

/** Where `may` agrees, the replicas that answer forget the tombstones, whatever the others have. */
function collectWithoutAll(
  patches: Patches,
  may: (tombstones: readonly Tombstone[]) => boolean,
): void {
  let collecting = false
  patches.method(
    Tombstones.prototype,
    'collect',
    (original) =>
      function (this: Tombstones, tombstones) {
        // The connections are checked before the first wait, so `collecting` holds for just this call.
        collecting = may(tombstones)
        try {
          return original.call(this, tombstones)
        } finally {
          collecting = false
        }
      },
  )
  patches.method(
    Peers.prototype,
    'connected',
    (original) =>
      function (this: Peers, peer) {
        return collecting || original.call(this, peer)
      },
  )
  patches.method(
    Peers.prototype,
    'collect',
    (original) =>
      async function (this: Peers, to, epoch, tombstones, forget, options) {
        try {
          return await original.call(this, to, epoch, tombstones, forget, options)
        } catch (error) {
          if (!may(tombstones)) throw error
          return tombstones.map(() => TOMBSTONE.absent)
        }
      },
  )
}

/** The same, but only once `afterMs` have passed since the first attempt to collect each tombstone. */
function afterATime(afterMs: number): Pick<NodeMutant, 'adapt' | 'patch'> {
  let nowMs = (): number => 0
  return {
    adapt: (environment) => {
      nowMs = () => environment.clock.monotonicMs()
      return environment
    },
    patch: (patches) => {
      const firstMs = new Map<string, number>()
      collectWithoutAll(patches, (tombstones) =>
        tombstones.every(({ key, ballot }) => {
          const name = `${key} ${ballot.counter}`
          if (!firstMs.has(name)) firstMs.set(name, nowMs())
          return nowMs() - firstMs.get(name)! >= afterMs
        }),
      )
    },
  }
}

export const SPACE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'collected-after-a-majority',
    rule: 'G2',
    breaks: 'a tombstone is forgotten although one replica never had it',
    by: 'a delete that one replica does not hear of',
    scenario: deleteUnheard,
    caughtAs: /is back|known/,
    seedsMax: 1,
    patch: (patches) => collectWithoutAll(patches, () => true),
  },
  {
    name: 'collected-after-a-time',
    rule: 'G4',
    breaks: 'a tombstone is forgotten after eight seconds even when a replica did not confirm it',
    by: 'a delete that one replica does not hear of',
    scenario: deleteUnheard,
    caughtAs: /is back|known/,
    seedsMax: 1,
    ...afterATime(8_000),
  },
  {
    name: 'delete-leaves-no-tombstone',
    rule: 'G1',
    breaks: 'a replica removes the register instead of keeping its tombstone',
    by: 'a delete that one replica does not hear of',
    scenario: deleteUnheard,
    caughtAs: /is back|known/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        AcceptorHost.prototype,
        'handle',
        (original) =>
          async function (this: AcceptorHost, request, extras) {
            const answer = await original.call(this, request, extras)
            const isDelete = request.type === 'accept' && request.value.tombstone
            if (isDelete && answer.reply.type === 'accepted') {
              await this.removals.collect(request.key, request.ballot, () => true)
            }
            return answer
          },
      )
    },
  },
  {
    name: 'floor-not-kept',
    rule: 'A3',
    breaks: 'acceptors have no floor: an absent register accepts any ballot',
    by: 'an accept that comes after its key was deleted and forgotten',
    scenario: acceptBehindCollection,
    caughtAs: /is back|known before/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(RegisterStates.prototype, 'floor', () => () => ZERO_BALLOT)
    },
  },
  {
    name: 'copy-below-the-floor',
    rule: 'G3',
    breaks: 'resync installs a copy although it is below the floor',
    by: 'a copy that comes after its key was deleted and forgotten',
    scenario: copyBehindCollection,
    caughtAs: /is back|known before/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        AcceptorHost.prototype,
        'learn',
        (original) =>
          async function (this: AcceptorHost, key, chosen) {
            this.floor = () => ZERO_BALLOT
            try {
              return await original.call(this, key, chosen)
            } finally {
              delete (this as Partial<AcceptorHost>).floor
            }
          },
      )
    },
  },
  {
    name: 'attempt-over-from-the-start',
    rule: 'G5',
    breaks: 'attempts under way count as over',
    by: 'a PUT whose blocks are stored long before its register is asked',
    scenario: slowPut,
    caughtAs: /freed, but named/,
    seedsMax: 3,
    patch: (patches) => {
      patches.method(
        Attempts.prototype,
        'begin',
        (original) =>
          function (this: Attempts) {
            const attempt = original.call(this)
            attempt.end()
            return attempt
          },
      )
    },
  },
  {
    name: 'freed-upon-a-promise',
    rule: 'G5',
    breaks: 'blocks are freed when a read finds no reference, without a change',
    by: 'an accept that only one replica has',
    scenario: lonelyAccept,
    caughtAs: /freed, but named/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        RegisterClient.prototype,
        'change',
        (original) =>
          function (this: RegisterClient, context, request) {
            const change: NodeChange = (current, chosen, clockMs) => {
              const result = request.change(current, chosen, clockMs)
              const fence =
                'keep' in result ? result.rewrite : current === undefined && result.write.tombstone
              return fence === true ? { keep: true } : result
            }
            return original.call(this, context, { ...request, change })
          },
      )
    },
  },
  {
    name: 'scan-that-finds-nothing',
    rule: 'G5',
    breaks: 'the scan for blocks that no register names does nothing',
    by: 'checker of space: everything unreferenced is freed in the end',
    scenario: simulated({ workloads: ['objects', 'uploads'] }),
    caughtAs: /never freed/,
    seedsMax: 6,
    slow: true,
    patch: (patches) => {
      patches.method(Scan.prototype, 'pass', () => () => Promise.resolve())
    },
  },
]
