/**
 * How this node takes part in a change of the layout that moves data: what it learns, syncs and drops, epoch by epoch.
 * It decides nothing: node/membership asks how far it has come.
 */

import type { NodeId, StorageId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Random } from '../env/ports.ts'
import { sleep } from '../env/sleep.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import { addBit } from './bitmap.ts'
import { Copier, type CopierOptions } from './copier.ts'
import { Entering, type Chain } from './entering.ts'
import { Learner } from './learner.ts'
import type { MoveFile } from './move-file.ts'
import { Syncer, toSync } from './syncer.ts'

const RETRY_MS = 200

export interface RebalanceOptions extends Omit<CopierOptions, 'witness'> {
  readonly storageId: StorageId
  readonly file: MoveFile
  readonly chain: Chain
  readonly forgotten: Pick<Forgotten, 'has' | 'votes'>
  readonly random: Random
}
