/** What may go wrong in a simulation, by name, with how often it is drawn. */

/** Crashes, the network, the disk as a device: all that heals by itself. */
export const PASSING = {
  kill: 20,
  power: 20,
  'kill-all': 4,
  'power-all': 4,
  /** One node is cut off, both ways or one way (F11). */
  partition: 12,
  'one-way': 8,
  /** Nothing passes, links stay up, also for a while after the heal. */
  silence: 6,
  /** Many messages are lost for a while; some always are, or come twice or late (F10). */
  storm: 12,
  deaf: 6,
  /** SIGSTOP (F13). */
  stop: 6,
  'full-disk': 10,
  'hung-disk': 6,
  /** Flushes fail: the node must go down (D5). */
  'bad-disk': 3,
  /** The clock of one machine jumps by minutes into the future or the past, until its next jump (F12, G4). */
  'clock-jump': 6,
} as const

/** What does not heal by itself: of one node's disk at a time (F2, F3, F9, F9b). */
export const DAMAGE = {
  /** In the body or the payload of live records, while the node runs. */
  'flip-live': 6,
  'flip-record-header': 3,
  'flip-register': 3,
  'flip-block': 3,
  'flip-mark': 3,
  'flip-minimum': 3,
  'flip-removal': 3,
  'flip-floor': 3,
  'flip-duty': 2,
  'flip-batch-header': 3,
  'flip-segment-header': 2,
  'flip-footer': 1,
  'flip-hints': 1,
  'flip-last-batch': 2,
  'flip-log-file': 2,
  'flip-layout': 2,
  'flip-vote': 2,
  /** One byte of node.json or of its copy, never of both. */
  'flip-node': 2,
  'flip-forgotten': 2,
  'lost-segment': 3,
  /** Volume not mounted: no log and no index, the rest is there. */
  'lost-log': 2,
  'old-image': 3,
  'wiped-index': 3,
  'rebuilt-index': 3,
} as const

export type PassingKind = keyof typeof PASSING
export type DamageKind = keyof typeof DAMAGE
export type FaultName = PassingKind | DamageKind

export const FAULT_NAMES = [...Object.keys(PASSING), ...Object.keys(DAMAGE)] as FaultName[]

/** Draws by weight. */
export function drawKind<Kind extends string>(
  weights: Readonly<Record<Kind, number>>,
  enabled: ReadonlySet<string>,
  random: () => number,
): Kind | undefined {
  const kinds = (Object.keys(weights) as Kind[]).filter((kind) => enabled.has(kind))
  let left = random() * kinds.reduce((sum, kind) => sum + weights[kind], 0)
  for (const kind of kinds) {
    left -= weights[kind]
    if (left < 0) return kind
  }
  return undefined
}
