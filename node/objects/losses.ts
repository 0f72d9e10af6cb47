/** A port: what the rooms of objects ask and report about lost data (loss-check.ts, lost-objects.ts). */

import type { BlockKey, BucketId, RegisterKey } from '../../protocol/ids.ts'

export interface BlockLosses {
  /** Every replica was asked for the block, and none has it. */
  isLost(block: BlockKey): Promise<boolean>
  /** A register still named a lost block when it was read after that. */
  note(
    bucket: { readonly id: BucketId; readonly name: string },
    lost: {
      readonly register: RegisterKey
      readonly versionId: string
      readonly sizeBytes: number
    },
  ): void
}

export const NO_LOSSES: BlockLosses = { isLost: () => Promise.resolve(false), note: () => {} }
