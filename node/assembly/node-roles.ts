/** The roles of a node that is wired, named after the rooms of node/. */

import type { Identities } from '../iam/identities.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { Notifications } from '../notifications/notifications.ts'
import type { ObjectParts } from './wire-objects.ts'
import type { QuorumParts } from './wire-quorum.ts'
import type { RebalanceParts } from './wire-rebalance.ts'
import type { ReclaimParts } from './wire-reclaim.ts'
import type { RepairParts } from './wire-repair.ts'
import type { ReplicaParts } from './wire-replica.ts'

/** Each field is what one `wire…` function returns. Later roles are wired from earlier ones. */
export interface NodeRoles {
  readonly replica: ReplicaParts
  readonly quorum: QuorumParts
  readonly reclaim: ReclaimParts
  readonly repair: RepairParts
  readonly rebalance: RebalanceParts
  readonly objects: ObjectParts
  readonly identities: Identities
  readonly lifecycle: Lifecycle
  readonly notifications: Notifications
}
