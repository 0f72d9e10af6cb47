/**
 * Zone and capacity of a member are the layout's. What a start gives for them takes effect when the node joins; later
 * it has none, and the start says so.
 */

import type { Logger } from '../env/ports.ts'
import type { Member } from '../../protocol/layout/entry.ts'

export interface GivenPlace {
  readonly zone?: string | undefined
  readonly capacityBytes?: number | undefined
}

/**
 * What the data directory is to remember: as the layout has it, so that a change made there is not taken for one that
 * was given.
 *
 * @param given by flags, environment or file, else what was remembered
 * @param remembered before this start
 */
export function placeToRemember(
  given: GivenPlace,
  remembered: GivenPlace,
  member: Pick<Member, 'zone' | 'capacityBytes'> | undefined,
  logger: Pick<Logger, 'warn'>,
): GivenPlace {
  if (member === undefined) return given
  for (const field of ['zone', 'capacityBytes'] as const) {
    const value = given[field]
    // Not remembered: the node has just joined with it.
    if (value === undefined || remembered[field] === undefined) continue
    if (value === member[field] || value === remembered[field]) continue
    logger.warn(
      { given: value, layout: member[field] },
      field === 'zone'
        ? 'the zone that was given has no effect: change it with `shoal layout set NODE --zone ZONE`'
        : 'the capacity that was given has no effect: change it with `shoal layout set NODE --capacity SIZE`',
    )
  }
  return {
    zone: member.zone,
    ...(given.capacityBytes !== undefined && { capacityBytes: member.capacityBytes }),
  }
}
