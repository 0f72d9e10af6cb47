/**
 * The layout decides zone and capacity of a member. What the user gives to a start takes effect when the node joins. Later
 * it has no effect, and the start says so.
 */

import type { Logger } from '../env/ports.ts'
import type { Member } from '../../protocol/layout/entry.ts'

export interface GivenPlace {
  readonly zone?: string | undefined
  readonly capacityBytes?: number | undefined
}

/**
 * What the data directory should remember: the values of the layout. Otherwise the next start would take a change of the
 * layout for a value that the user gave.
 *
 * @param given by flags, environment or file, otherwise what was remembered
 * @param remembered what the directory held before this start
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
    // The directory holds no value, so the node has just joined with this one.
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
