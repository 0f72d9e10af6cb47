/** The warnings of `shoal status`: what an operator should know, or do something about. */

import type { LostStatus } from '../../gateway/port/status.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { awayLines } from './spare-replicas.ts'

/** A disk that has not answered for this long is warned of. */
const DISK_SILENT_SECONDS = 3

/** The parts of this node that are asked. */
export interface WarningSources {
  readonly layout: { status(): { readonly undecided: boolean } }
  readonly peers: { connected(node: NodeId): boolean }
  readonly store: { stats(): { readonly full: boolean } }
  readonly disk: { silentMs(): number }
  readonly blocks: { readonly damagedCount: number }
  readonly damaged: { waiting(): number }
  readonly upkeep: { status(): { readonly scrub: { readonly left: number } } }
}

/** What is known of the cluster. */
export interface WarningFacts {
  readonly view: LayoutView
  readonly replies: ReadonlyMap<NodeId, WireStatusReply>
  readonly lost: LostStatus
  /** Why the layout change under way does not move on. */
  readonly held: string | undefined
  /** Which members do not vote on the next entry of the layout. */
  readonly abstains: string | undefined
}

/** The warnings, one line each, in the order members, layout, disk, damage. Empty when all is well. */
export function warningsOf(
  { layout, peers, store, disk, blocks, damaged, upkeep }: WarningSources,
  { view, replies, lost, held, abstains }: WarningFacts,
): string[] {
  const silentSeconds = Math.floor(disk.silentMs() / 1_000)
  const unmended = upkeep.status().scrub.left
  return [
    ...(view.members.length === 2
      ? ['two members: both must answer, so losing either one stops reads and writes']
      : []),
    ...[...replies].flatMap(([node, reply]) => memoryWarnings(node, reply)),
    ...awayLines(view, (node) => !replies.has(node) && !peers.connected(node)),
    ...(held === undefined ? [] : [held]),
    ...(layout.status().undecided ? ['a change of the layout is undecided'] : []),
    ...(abstains === undefined ? [] : [abstains]),
    ...(silentSeconds >= DISK_SILENT_SECONDS
      ? [`the disk has not answered for ${silentSeconds} s`]
      : []),
    ...(store.stats().full ? ['the disk is full: only deletes and reads work'] : []),
    ...(blocks.damagedCount > 0 ? [`${blocks.damagedCount} damaged blocks`] : []),
    ...damagedWarnings(damaged.waiting()),
    ...(lost.objects.length > 0
      ? [`${lost.objects.length} LOST for good: \`shoal status --lost\` names them`]
      : []),
    ...(unmended > 0
      ? [`the last scrub could not repair ${unmended}: run \`shoal scrub\` again`]
      : []),
  ]
}

function damagedWarnings(registers: number): string[] {
  if (registers === 0) return []
  return [
    `${registers} damaged registers do not vote on this node until the other replicas repair them`,
  ]
}

/** What a node may have forgotten, and what it has lost for good (D8). */
function memoryWarnings(node: NodeId, reply: WireStatusReply): string[] {
  const { forgotten, forgottenWhy, lostPartitions } = reply
  const warnings: string[] = []
  if (forgotten > 0) {
    const why = forgottenWhy.length === 0 ? '' : ` (${forgottenWhy.join('; ')})`
    warnings.push(
      `node ${node} may have forgotten something and does not vote on ${forgotten} of its partitions ` +
        `until they are compared with their other replicas${why}`,
    )
  }
  if (lostPartitions > 0) {
    warnings.push(
      `node ${node} has lost something of ${lostPartitions} partitions for good: they had no other replica`,
    )
  }
  return warnings
}
