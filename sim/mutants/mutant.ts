/**
 * Deliberate breaks of single rules in a whole node (docs/correctness.md 9), each with what must notice it: some
 * seeds of the simulation, or a scenario that leads straight to the harm. sim/kernel/mutants.ts has those of the
 * protocol kernel.
 */

import { onFailedAssertion } from '../../protocol/assert.ts'
import { assertionText } from '../../node/tools/failed-assertion.ts'
import type { ClusterOptions } from '../world/cluster.ts'
import { simulate, type SimulationOptions } from '../simulation.ts'
import { Patches } from './patches.ts'

export type Adapt = NonNullable<ClusterOptions['adapt']>

/** What a scenario is played with. */
export interface Play {
  readonly seed: number
  readonly adapt: Adapt | undefined
}

/** Returns what is wrong, one sentence each. Empty while the rules hold. */
export type MutantScenario = (play: Play) => Promise<readonly string[]>

export interface NodeMutant {
  readonly name: string
  /** The rule of docs/correctness.md that it breaks. */
  readonly rule: string
  /** What is broken, as a sentence. */
  readonly breaks: string
  /** Names the workload, checker or scenario that notices. */
  readonly by: string
  readonly scenario: MutantScenario
  /** The complaint that must come. A different one does not count as a catch. */
  readonly caughtAs: RegExp
  /** One of so many seeds must catch it. */
  readonly seedsMax: number
  /** True for those that take seconds: `npm run sim -- --mutants` plays them, `npm test` does not. */
  readonly slow?: boolean
  /** Other methods in place of the real ones. */
  readonly patch?: ((patches: Patches) => void) | undefined
  /** Other ports in place of a node's. */
  readonly adapt?: Adapt | undefined
}

export interface Catch {
  readonly seed: number
  readonly violation: string
}

/** The first seed at which it is caught; undefined when it is not. */
export async function hunt(mutant: NodeMutant, first = 1): Promise<Catch | undefined> {
  for (let seed = first; seed < first + mutant.seedsMax; seed++) {
    const found = await played(mutant, seed, true)
    const violation = found.find((each) => mutant.caughtAs.test(each))
    if (violation !== undefined) return { seed, violation }
  }
  return undefined
}

/** What the scenario complains of when nothing is broken. If there is anything, it proves nothing about the mutant. */
export function controlled(mutant: NodeMutant, seed: number): Promise<readonly string[]> {
  let known = CONTROLS.get(mutant.scenario)
  if (known === undefined) CONTROLS.set(mutant.scenario, (known = new Map()))
  let found = known.get(seed)
  if (found === undefined) known.set(seed, (found = played(mutant, seed, false)))
  return found
}

/** By scenario and seed, since several mutants share a scenario. */
const CONTROLS = new Map<MutantScenario, Map<number, Promise<readonly string[]>>>()

async function played(
  mutant: NodeMutant,
  seed: number,
  broken: boolean,
): Promise<readonly string[]> {
  const patches = new Patches()
  if (broken) mutant.patch?.(patches)
  // A failed assertion stops a real node, so it is a complaint, whatever the node's code does with the error.
  const failed: string[] = []
  const letAssertions = onFailedAssertion((each) => failed.push(assertionText(each)))
  try {
    const found = await mutant.scenario({ seed, adapt: broken ? mutant.adapt : undefined })
    return [...failed, ...found]
  } catch (error) {
    // An error that ends the run is a complaint too.
    return [...failed, ...String(error instanceof Error ? error.message : error).split('\n')]
  } finally {
    letAssertions()
    patches.undo()
  }
}

/** A run of the whole simulation. */
export function simulated(
  options: Partial<Omit<SimulationOptions, 'seed' | 'adapt'>>,
): MutantScenario {
  return async ({ seed, adapt }) => {
    const result = await simulate({ nodes: 3, minutes: 0.3, ...options, seed, adapt })
    return result.violations
  }
}
