/** Breaks of T8 where minima of buckets that are gone are dropped. */

import { Bucket } from '../../node/objects/bucket.ts'
import { Buckets } from '../../node/objects/buckets.ts'
import { Peers } from '../../node/quorum/peers.ts'
import {
  awayAndBuried,
  knownAndBuried,
  openedAndBuried,
  sentAndBuried,
} from './minima-scenarios.ts'
import type { NodeMutant } from './mutant.ts'

const CAUGHT = /a PUT into a bucket that is gone: ok/

export const MINIMA_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'minimum-dropped-while-cached',
    rule: 'T8',
    breaks:
      'the minima of a deleted bucket are dropped while a node still has its record in the cache',
    by: 'scenario: a node knows a bucket that another one deletes',
    scenario: knownAndBuried,
    caughtAs: CAUGHT,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Buckets.prototype, 'bury', () => () => {})
    },
  },
  {
    name: 'minimum-dropped-while-open',
    rule: 'T8',
    breaks: 'the minima of a deleted bucket are dropped while an operation still has its record',
    by: 'scenario: a slow body',
    scenario: openedAndBuried,
    caughtAs: CAUGHT,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Bucket.prototype, 'isUsable', () => () => true)
    },
  },
  {
    name: 'minimum-dropped-while-asked',
    rule: 'T8',
    breaks:
      'whether a record still counts is asked before a request is sent only, and not of its answer',
    by: 'scenario: a request is held up until the minima are gone',
    scenario: sentAndBuried,
    caughtAs: CAUGHT,
    seedsMax: 1,
    patch: (patches) => {
      const sent = new WeakSet<Bucket>()
      patches.method(
        Bucket.prototype,
        'current',
        (original) =>
          function (this: Bucket) {
            sent.add(this)
            return original.call(this)
          },
      )
      patches.method(
        Bucket.prototype,
        'isUsable',
        (original) =>
          function (this: Bucket) {
            return sent.has(this) || original.call(this)
          },
      )
    },
  },
  {
    name: 'minimum-dropped-without-all-members',
    rule: 'T8',
    breaks: 'the minima of a deleted bucket are dropped although a member does not answer',
    by: 'scenario: a node that knows the bucket is away',
    scenario: awayAndBuried,
    caughtAs: CAUGHT,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Peers.prototype, 'connected', () => () => true)
      patches.method(
        Peers.prototype,
        'bury',
        (original) =>
          function (this: Peers, to, asked, options) {
            return original
              .call(this, to, asked, options)
              .catch(() => ({ result: 0, epoch: asked.epoch }))
          },
      )
    },
  },
]
