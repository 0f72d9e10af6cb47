/** Attempts at escalation, made and judged by what they gave. */

import { drawnSequence, escalationAttempts } from './escalation-paths.ts'
import { EscalationWorld, type EscalationAttempt, type Who } from './escalation-world.ts'
import { iamRandom } from './world.ts'

export interface Escalation {
  readonly who: Who
  readonly attempts: readonly EscalationAttempt[]
  readonly codes: readonly string[]
  readonly gained: readonly string[]
}

export interface EscalationTally {
  readonly paths: number
  /** Attempts that were answered with AccessDenied. */
  readonly refused: number
  /** Attempts that succeeded and gave nothing. */
  readonly harmless: number
  /** Attempts that are not possible with any rights: no such entity, a conflict. */
  readonly impossible: number
  readonly escalations: readonly Escalation[]
}

export interface EscalationOptions {
  /** Which callers make the single operations: the user, or a limited session. */
  readonly callers: readonly Who[]
  readonly sequences: number
  readonly seed: number
}

export async function tryEscalations(options: EscalationOptions): Promise<EscalationTally> {
  const world = await EscalationWorld.start()
  try {
    const singles = escalationAttempts(world)
    const draw = iamRandom(options.seed)
    const paths: (readonly [who: Who, attempts: readonly EscalationAttempt[]])[] = [
      ...options.callers.flatMap((who) => singles.map((each) => [who, [each]] as const)),
      ...Array.from({ length: options.sequences }, () => {
        const who: Who = draw() < 0.8 ? 'user' : 'limited'
        return [who, drawnSequence(singles, draw)] as const
      }),
    ]
    const escalations: Escalation[] = []
    const counts = { refused: 0, harmless: 0, impossible: 0 }
    for (const [who, attempts] of paths) {
      const { gained, codes } = await world.gained(who, attempts)
      if (gained.length > 0) escalations.push({ who, attempts, codes, gained })
      else if (codes.includes('AccessDenied')) counts.refused++
      else if (codes.includes('done')) counts.harmless++
      else counts.impossible++
    }
    return { paths: paths.length, ...counts, escalations }
  } finally {
    await world.close()
  }
}

export function tallyLine({
  paths,
  refused,
  harmless,
  impossible,
  escalations,
}: EscalationTally): string {
  return `${paths} paths: ${refused} refused, ${harmless} harmless, ${impossible} impossible, ${escalations.length} escalate`
}

export function escalationLine({ who, attempts, codes, gained }: Escalation): string {
  const steps = attempts.map(({ action, parameters }, at) => {
    const shown = Object.entries(parameters).map(([name, value]) => `${name}=${value.slice(0, 60)}`)
    return `${action}(${shown.join(' ')}): ${codes[at]}`
  })
  return `as ${who}: ${steps.join(', ')}; gained ${gained.slice(0, 3).join(', ')} (${gained.length})`
}
