/** The part of the admin port that shows the layout and changes it. */

import type {
  LayoutChange,
  LayoutChanged,
  LayoutPlan,
  LayoutTable,
  PlannedChange,
} from '../gateway/admin/layout.ts'
import { LayoutRefusal } from '../gateway/admin/layout.ts'
import type { NodeId } from '../protocol/ids.ts'
import type { LayoutView } from '../protocol/layout/view.ts'
import type { WireStatusReply } from '../protocol/rpc/messages.js'
import { tableOf } from './layout-table.ts'

export interface LayoutAdminOptions {
  readonly self: NodeId
  readonly view: () => LayoutView
  /** What the nodes that are up say of themselves. */
  readonly replies: (view: LayoutView) => Promise<ReadonlyMap<NodeId, WireStatusReply>>
}

export class LayoutAdmin {
  readonly #options: LayoutAdminOptions

  constructor(options: LayoutAdminOptions) {
    this.#options = options
  }

  async table(): Promise<LayoutTable> {
    const { self, view: current, replies } = this.#options
    const view = current()
    return tableOf(view, self, await replies(view), [])
  }

  plan(_change: PlannedChange): Promise<LayoutPlan> {
    return Promise.reject(notYet())
  }

  apply(_change: LayoutChange): Promise<LayoutChanged> {
    return Promise.reject(notYet())
  }

  cancel(): Promise<LayoutChanged> {
    return Promise.reject(notYet())
  }
}

function notYet(): LayoutRefusal {
  return new LayoutRefusal(409, 'this program does not change the layout yet')
}
