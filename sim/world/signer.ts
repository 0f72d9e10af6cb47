/** Signatures of the simulation: a keyed hash that every simulated node can check, from no key at all.
 * No node of a simulation forges. What is tried is who has signed what. */

import { utf8 } from '../../protocol/bytes.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Signer } from '../../node/env/ports.ts'

export class SimulatedSigner implements Signer {
  readonly nodeId: NodeId

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId
  }

  sign(bytes: Uint8Array): Uint8Array {
    return signature(this.nodeId, bytes)
  }

  verify(signer: NodeId, bytes: Uint8Array, given: Uint8Array): boolean {
    return equalBytes(given, signature(signer, bytes))
  }
}

function signature(node: NodeId, bytes: Uint8Array): Uint8Array {
  const half = blake3(utf8(`simulated ${node}`), bytes)
  const whole = new Uint8Array(64)
  whole.set(half)
  whole.set(half, 32)
  return whole
}
