/** Requests to registers as messages for peers, with the blocks that go with an accept (A5). */

import type { RegisterRequest } from '../../protocol/register/types.ts'
import { encodeRegisterCall, RPC } from '../../protocol/rpc/message.ts'
import type { NetworkMessage } from '../env/ports.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { NOTHING_RIDING } from './riding-blocks.ts'

/** What goes with a request to a register, or is to come back with the answer. */
export interface RegisterExtras {
  readonly blocks?: readonly OwnedBlock[] | undefined
  readonly withBlock?: boolean | undefined
}

/** A message, and what it was made of. */
interface Encoded extends RegisterExtras {
  readonly request: RegisterRequest
  readonly message: NetworkMessage
}

/** Used by peers.ts. A round sends the same request to every replica, one call after the other: it is encoded once. */
export class RegisterMessages {
  #last: Encoded | undefined

  of(
    request: RegisterRequest,
    { blocks = NOTHING_RIDING, withBlock }: RegisterExtras,
  ): NetworkMessage {
    const last = this.#last
    const isSame =
      last !== undefined &&
      last.request === request &&
      last.blocks === blocks &&
      last.withBlock === withBlock
    if (isSame) return last.message
    const payload = blocks.map(({ key, owner, bytes }) => ({
      key,
      owner,
      lengthBytes: bytes.length,
    }))
    const body = encodeRegisterCall({ request, withBlock, payload })
    const message = { type: RPC.register, body, payload: joined(blocks) }
    this.#last = { request, blocks, withBlock, message }
    return message
  }
}

/**
 * The bytes of all blocks, one behind the other. A single block is sent without a copy; none, and there is no payload.
 */
function joined(blocks: readonly OwnedBlock[]): Uint8Array | undefined {
  if (blocks.length <= 1) return blocks[0]?.bytes
  const bytes = new Uint8Array(blocks.reduce((sum, block) => sum + block.bytes.length, 0))
  let at = 0
  for (const block of blocks) {
    bytes.set(block.bytes, at)
    at += block.bytes.length
  }
  return bytes
}
