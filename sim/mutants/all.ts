/** The deliberate breaks of a whole node, all of them caught (docs/correctness.md 9). */

import { BUCKET_MUTANTS } from './buckets.ts'
import { DAMAGE_MUTANTS } from './damage.ts'
import { EPOCH_MUTANTS } from './epochs.ts'
import { FENCE_MUTANTS } from './fences.ts'
import { FORGETTING_MUTANTS } from './forgetting.ts'
import { FULL_MUTANTS } from './full.ts'
import { LIFECYCLE_MUTANTS } from './lifecycle.ts'
import { LIMIT_MUTANTS } from './limits.ts'
import { LIST_MUTANTS } from './lists.ts'
import { LOCK_MUTANTS } from './locks.ts'
import { LOG_MUTANTS } from './log.ts'
import { LOST_MUTANTS } from './lost.ts'
import { MINIMA_MUTANTS } from './minima.ts'
import { MOVE_MUTANTS } from './moves.ts'
import type { NodeMutant } from './mutant.ts'
import { NOTIFICATION_MUTANTS } from './notifications.ts'
import { PEER_MUTANTS } from './peers.ts'
import { PORT_MUTANTS } from './ports.ts'
import { READER_MUTANTS } from './readers.ts'
import { REBALANCE_MUTANTS } from './rebalance.ts'
import { REGISTER_MUTANTS } from './registers.ts'
import { RENAME_MUTANTS } from './renames.ts'
import { ROW_MUTANTS } from './rows.ts'
import { SPACE_MUTANTS } from './space.ts'
import { VERSION_MUTANTS } from './versions.ts'

export const NODE_MUTANTS: readonly NodeMutant[] = [
  ...PORT_MUTANTS,
  ...REGISTER_MUTANTS,
  ...EPOCH_MUTANTS,
  ...FENCE_MUTANTS,
  ...BUCKET_MUTANTS,
  ...MINIMA_MUTANTS,
  ...SPACE_MUTANTS,
  ...READER_MUTANTS,
  ...LOST_MUTANTS,
  ...VERSION_MUTANTS,
  ...LIST_MUTANTS,
  ...FULL_MUTANTS,
  ...LOG_MUTANTS,
  ...LOCK_MUTANTS,
  ...FORGETTING_MUTANTS,
  ...LIMIT_MUTANTS,
  ...DAMAGE_MUTANTS,
  ...ROW_MUTANTS,
  ...REBALANCE_MUTANTS,
  ...MOVE_MUTANTS,
  ...PEER_MUTANTS,
  ...LIFECYCLE_MUTANTS,
  ...RENAME_MUTANTS,
  ...NOTIFICATION_MUTANTS,
]
