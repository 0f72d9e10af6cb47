/** Breaks of G2, G3 and G5: what is forgotten too early, freed too early, or never. */

import { ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { Attempts } from '../../node/replica/attempts.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import { RegisterClient } from '../../node/quorum/register-client.ts'
import { type NodeChange } from '../../node/quorum/register-change.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { Scan } from '../../node/reclaim/scan.ts'
import { TOMBSTONE, Tombstones } from '../../node/replica/tombstones.ts'
import { simulated, type NodeMutant } from './mutant.ts'
import {
  acceptBehindCollection,
  copyBehindCollection,
  deleteUnheard,
  lonelyAccept,
  slowPut,
} from './scenarios.ts'

export const SPACE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'collected-after-a-majority',
    rule: 'G2',
    breaks: 'a tombstone is forgotten although one replica never had it',
    by: 'a delete that one replica does not hear of',
    scenario: deleteUnheard,
    caughtAs: /is back|known/,
    seedsMax: 1,
    patch: (patches) => {
      let collecting = false
      patches.method(
        Tombstones.prototype,
        'collect',
        (original) =>
          function (this: Tombstones, tombstones) {
            // Who is connected is looked at before anything is waited for.
            collecting = true
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
            } catch {
              return tombstones.map(() => TOMBSTONE.absent)
            }
          },
      )
    },
  },
  {
    name: 'floor-not-kept',
    rule: 'A3',
    breaks: 'acceptors know no floor: an absent register takes any ballot',
    by: 'an accept that comes after its key was deleted and forgotten',
    scenario: acceptBehindCollection,
    caughtAs: /is back|known before/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(AcceptorHost.prototype, 'floor', () => () => ZERO_BALLOT)
    },
  },
  {
    name: 'copy-below-the-floor',
    rule: 'G3',
    breaks: 'resync installs a copy whatever the floor',
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
    by: 'a PUT whose blocks are in long before its register is asked',
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
            const change: NodeChange = (current, chosen) => {
              const result = request.change(current, chosen)
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
    breaks: 'nobody looks for blocks that nothing names',
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
