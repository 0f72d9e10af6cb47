/** What `shoal layout show --json` says, as far as these tests look. */

import type { LayoutTable } from '../../../gateway/admin/layout.ts'

export interface LayoutSeen extends Pick<LayoutTable, 'epoch' | 'state' | 'sources' | 'nodes'> {
  readonly text: string
}

export function layoutOf(json: unknown): LayoutSeen {
  const { epoch, state, sources, nodes } = json as LayoutTable
  return {
    epoch,
    state,
    sources,
    nodes,
    text: JSON.stringify(json).slice(0, 2_000),
  }
}
