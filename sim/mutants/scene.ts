/** What most scenarios of mutants begin with: a cluster without faults, a tap on its wires, and a list of complaints. */

import { onCluster } from '../testing/calm-cluster.ts'
import { Wiretap } from '../testing/wiretap.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { MutantScenario } from './mutant.ts'

export interface Scene {
  readonly seed: number
  readonly cluster: SimulatedCluster
  /** Lets everything pass until its filter is replaced. */
  readonly wires: Wiretap
  /** What is wrong, one sentence each. It stays empty while the rules hold. */
  readonly found: string[]
}

type SceneOptions = Omit<NonNullable<Parameters<typeof onCluster>[2]>, 'seed' | 'adapt'>

/** A scenario that plays `act` on a new cluster of so many nodes. What checker A finds counts too: it ends the scenario. */
export function scene(
  nodes: number,
  act: (scene: Scene) => Promise<void>,
  options: SceneOptions = {},
): MutantScenario {
  return async ({ seed, adapt }) => {
    const found: string[] = []
    const wires = new Wiretap()
    await onCluster(nodes, (cluster) => act({ seed, cluster, wires, found }), {
      ...options,
      seed,
      adapt: (environment, node) => {
        const tapped = wires.adapt(environment, node)
        return adapt?.(tapped, node) ?? tapped
      },
    })
    return found
  }
}
