/** A change of one register: what a caller asks for, and what became of it. */

import { checkInput } from '../../protocol/input.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import type { OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { ChangeResult } from '../../protocol/register/proposer-options.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted, RegisterValue } from '../../protocol/register/types.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { FenceSource } from './fence-source.ts'

/** Like the pure proposer's `Change`. It may also return blocks that it made and that the new value names: they are
 * sent with the accept (A5). A data id has one content for good, so each call draws new ids. */
export type NodeChange = (
  current: RegisterValue | undefined,
  chosen: boolean,
  clockMs: number | undefined,
) => ChangeResult & { readonly blocks?: readonly OwnedBlock[] | undefined }

/** One change of one register (RegisterClient.change). */
export interface ChangeRequest {
  readonly key: RegisterKey
  readonly change: NodeChange
  /** For registers of a bucket: the change is refused where a later generation is known (T8). */
  readonly fence?: FenceSource | undefined
  /** Sent with the accept: the packed block or manifest that the written value names (A5). */
  readonly block?: OwnedBlock | undefined
}

/** `written`: this change's value was chosen, and may have been replaced since. `kept`: nothing was written, and `current` is
 * chosen. */
export type ChangeOutcome =
  /** `before`: the state from which the written value was made. The last call of `change` may have seen another one. */
  | {
      readonly type: 'written'
      readonly value: RegisterValue
      readonly before: RegisterValue | undefined
      /** Orders the changes of a register: above that of the change before it. */
      readonly writtenAt: Ballot
    }
  | { readonly type: 'kept'; readonly current: Accepted | undefined }

/** Every value that one change has made, with the state from which it was made. A change that is retried makes several. */
export class MadeValues {
  readonly #made: { before: RegisterValue | undefined; body: Uint8Array }[] = []

  /** Must be called before the value is proposed. */
  add(before: RegisterValue | undefined, body: Uint8Array): void {
    this.#made.push({ before, body })
  }

  /** The state from which the written value was made. */
  origin(body: Uint8Array, replaced: OperationId | undefined): RegisterValue | undefined {
    const origin = this.#made.findLast(
      (made) => made.before?.operation === replaced && equalBytes(made.body, body),
    )
    checkInput(origin !== undefined, 'a value written under this operation was made by it')
    return origin.before
  }
}
