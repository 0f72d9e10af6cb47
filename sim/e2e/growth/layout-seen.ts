/** What `shoal layout show --json` says, as far as these tests look. */

import type { LayoutTable } from '../../../gateway/port/layout.ts'

export interface LayoutSeen extends Pick<LayoutTable, 'epoch' | 'state' | 'sources' | 'nodes'> {
  readonly text: string
}

/** No change is under way, and no block has to move. */
export function isAtRest({ state, sources }: Pick<LayoutTable, 'state' | 'sources'>): boolean {
  return state === 'STABLE' && sources === 0
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
