/** Wires the check that no other life of this node has used its boot, without which it neither votes nor proposes (D2). */

import type { Peers } from '../quorum/peers.ts'
import { SelfCheck } from '../repair/self-check.ts'
import type { NodeBase } from './node-base.ts'

/** Builds the check. `onProven` is called once, when enough members have written this boot down. */
export function wireSelfCheck(base: NodeBase, peers: Peers, onProven: () => void): SelfCheck {
  const { self, store, layout, forgotten, startSequence, options, memberView } = base
  const { clock, random, logger } = base.env
  return new SelfCheck({
    self,
    storageId: options.storageId,
    boot: options.boot,
    startSequence,
    sequence: () => store.end().nextSequence,
    forgotten,
    peers,
    view: memberView,
    raiseBoot: (boot) => options.raiseBoot(boot),
    abstain: (from) => layout.abstain(from),
    onProven,
    fail: (reason) => base.env.fail(reason),
    clock,
    random,
    logger,
  })
}
