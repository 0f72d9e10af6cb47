/** Members as people call them. */

import { shortId } from '../ids.ts'
import type { Member } from './entry.ts'

/** Why a change can't be made: one line for the operator that says what to do instead. */
export interface PlanFault {
  readonly fault: string
}

/** Its name, or a short form of its id. For people only: two members may have the same short form. */
export function shownName({ nodeId, name }: Pick<Member, 'nodeId' | 'name'>): string {
  return name ?? shortId(nodeId)
}

/** Finds a member by its name, or by a suffix of its id that no other member has. Names go first. */
export function findMember(members: readonly Member[], text: string): Member | PlanFault {
  const suffix = text.replace(/^…/, '')
  const named = members.filter(({ name }) => name === text)
  const found =
    named.length > 0 || suffix === ''
      ? named
      : members.filter(({ nodeId }) => nodeId.endsWith(suffix))
  if (found.length === 1) return found[0]!
  if (found.length === 0) {
    const some = members.slice(0, 8).map(shownName).join(', ')
    const more = members.length > 8 ? ', …' : ''
    return { fault: `no member is called ${text}: the members are ${some}${more}` }
  }
  const ids = found.map(({ nodeId }) => shortId(nodeId)).join(', ')
  return { fault: `${text} may be any of ${ids}: say more of the id` }
}
