/** Breaks of what a change and a read of a register may rely on: A4, P5, P6, P7 and R2. */

import { RegisterStates } from '../../node/replica/register-states.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { Replicator } from '../../node/quorum/replicator.ts'
import type { OperationId } from '../../protocol/ids.ts'
import { sameBallot, type Ballot } from '../../protocol/register/ballot.ts'
import { RegisterProposer } from '../../protocol/register/proposer.ts'
import type { NodeMutant } from './mutant.ts'
import type { Patches } from './patches.ts'
import {
  blocksNotStored,
  damagedState,
  halfWritten,
  overwritten,
  refusedForEver,
} from './register-scenarios.ts'

/** A proposer waits after each conflict only as long as after its first one. */
function backOffWithoutGrowth(patches: Patches): void {
  for (const event of ['onReply', 'onFailure'] as const) {
    patches.method(
      RegisterProposer.prototype,
      event,
      (original: (...args: never[]) => ReturnType<RegisterProposer['onReply']>) =>
        function (this: RegisterProposer, ...args: never[]) {
          const step = original.apply(this, args)
          return step.backoff === undefined ? step : { ...step, backoff: { attempt: 0 } }
        },
    )
  }
}

export const REGISTER_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'damaged-state-counts-as-absent',
    rule: 'A4',
    breaks: 'a register whose stored state is damaged counts as one that was never written',
    by: 'a value of which the other copy is away',
    scenario: damagedState,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        RegisterStates.prototype,
        'load',
        (original) =>
          function (this: RegisterStates, key) {
            const stored = original.call(this, key)
            return stored === 'faulty' ? undefined : stored
          },
      )
    },
  },
  {
    name: 'written-without-a-prepare',
    rule: 'P5',
    breaks: 'a write of an object sends its accept without a prepare before it',
    by: 'a key that is written through two nodes, checker A',
    scenario: overwritten,
    caughtAs: /replaced nothing, but/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Peers.prototype,
        'register',
        (original) =>
          function (this: Peers, to, request, extras, options) {
            if (request.type !== 'prepare' || !request.key.endsWith('key')) {
              return original.call(this, to, request, extras, options)
            }
            return Promise.resolve({ reply: { type: 'promised', ballot: request.ballot } })
          },
      )
    },
  },
  {
    name: 'back-off-does-not-grow',
    rule: 'P6',
    breaks: 'a proposer waits no longer after its tenth conflict than after its first',
    by: 'replicas that refuse each prepare',
    scenario: refusedForEver,
    caughtAs: /rounds in one operation/,
    seedsMax: 1,
    patch: backOffWithoutGrowth,
  },
  {
    name: 'visible-before-its-blocks',
    rule: 'P7',
    breaks: 'a block counts as stored before any replica has said so',
    by: 'a PUT whose blocks reach no other node',
    scenario: blocksNotStored,
    caughtAs: /without its blocks/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Replicator.prototype,
        'write',
        (original) =>
          function (this: Replicator, key, bytes, owner) {
            const { acknowledged, settled } = original.call(this, key, bytes, owner)
            acknowledged.catch(() => {})
            return { acknowledged: Promise.resolve(), settled }
          },
      )
    },
  },
  {
    name: 'found-state-not-written-again',
    rule: 'R2',
    breaks: 'a state that a proposer found is answered without being written at its ballot',
    by: 'an accept that one replica has, read through it and then through the others',
    scenario: halfWritten,
    caughtAs: /although .* was known before/,
    seedsMax: 1,
    patch: (patches) => {
      const proposed = new Map<OperationId, Ballot>()
      patches.method(
        Peers.prototype,
        'register',
        (original) =>
          function (this: Peers, to, request, extras, options) {
            if (request.type !== 'accept') {
              return original.call(this, to, request, extras, options)
            }
            const { ballot, value } = request
            const first = proposed.get(value.operation) ?? ballot
            proposed.set(value.operation, first)
            if (sameBallot(first, ballot)) return original.call(this, to, request, extras, options)
            return Promise.resolve({ reply: { type: 'accepted', ballot } })
          },
      )
    },
  },
]
