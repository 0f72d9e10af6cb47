/**
 * The differences between two layouts, in lines for people: the preview of a change, the log of a node that adopts an
 * entry, and the line that refuses a change while another one is under way.
 */

import { shortId, type NodeId } from '../ids.ts'
import { formatSize } from '../size.ts'
import { placeOf, type Member } from './entry.ts'
import { shownName } from './member-names.ts'
import type { NextLayout } from './transition.ts'

/**
 * One line for each member that joins, leaves or changes, in the order of `after`, then those that leave, then one
 * for the replication. A member that takes the place of another one is one line, not two. Empty when nothing differs
 * that people see.
 */
export function diffOf(before: NextLayout, after: NextLayout): readonly string[] {
  const lines: string[] = []
  const was = new Map(before.members.map((member) => [member.nodeId, member]))
  const byPlace = new Map(before.members.map((member) => [placeOf(member), member]))
  const is = new Set(after.members.map(({ nodeId }) => nodeId))
  const replaced = new Set<NodeId>()
  for (const member of after.members) {
    const old = was.get(member.nodeId)
    const holder = byPlace.get(placeOf(member))
    if (old !== undefined) {
      const inherits = holder !== undefined && !is.has(holder.nodeId)
      if (inherits) {
        replaced.add(holder.nodeId)
        lines.push(`${shownName(old)} replaces ${shownName(holder)}`)
      }
      const settings = settingsDiff(old, inherits ? { ...member, place: old.place } : member)
      if (settings.length > 0) lines.push(`${shownName(old)}: ${settings.join(', ')}`)
      continue
    }
    const where = `zone ${member.zone}, ${formatSize(member.capacityBytes)}`
    if (holder !== undefined && !is.has(holder.nodeId)) {
      replaced.add(holder.nodeId)
      lines.push(`${shownName(member)} replaces ${shownName(holder)}: ${where}`)
    } else {
      lines.push(`${shownName(member)} joins: ${where}`)
    }
  }
  for (const member of before.members) {
    if (is.has(member.nodeId) || replaced.has(member.nodeId)) continue
    lines.push(`${shownName(member)} leaves`)
  }
  if (before.replication !== after.replication) {
    lines.push(`replication ${before.replication} → ${after.replication}`)
  }
  return lines
}

/** What differs between two records of one member, as `setting before → after`. */
function settingsDiff(old: Member, member: Member): string[] {
  const parts: string[] = []
  const note = (what: string, from: string, to: string): void => {
    if (from !== to) parts.push(`${what} ${from} → ${to}`)
  }
  note('name', shownName(old), shownName(member))
  note('zone', old.zone, member.zone)
  if (old.capacityBytes !== member.capacityBytes) {
    parts.push(`capacity ${formatSize(old.capacityBytes)} → ${formatSize(member.capacityBytes)}`)
  }
  note('addresses', old.addresses.join(' '), member.addresses.join(' '))
  note('place', shortId(placeOf(old)), shortId(placeOf(member)))
  return parts
}
