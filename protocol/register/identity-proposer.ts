/** A change that proposes what it finds. Reads that can't agree use it, and so do repair and sync (R2, D3, L5). */

import type { OperationId } from '../ids.ts'
import type { ChangeResult, ProposerOptions } from './proposer-options.ts'
import { RegisterProposer } from './proposer.ts'

/** Writes nothing new: makes sure that what it returns is chosen (R2, D3, L5). `rewrite`: at a new ballot
 * also when that is already known. Its outcome is never `written` nor `unknown`. */
export function identityProposer(
  options: Omit<ProposerOptions, 'change' | 'operation' | 'prior' | 'attempt'> & {
    readonly rewrite?: boolean
  },
): RegisterProposer {
  const { rewrite = false, ...rest } = options
  const result: ChangeResult = { keep: true, rewrite }
  return new RegisterProposer({ ...rest, operation: '' as OperationId, change: () => result })
}
