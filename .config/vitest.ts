import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** They take 15 s and more each, in this order. One that began last would leave the other cores with nothing to do. */
const SLOWEST = [
  'sim/mutants/mutants.test.ts',
  'sim/simulation.test.ts',
  'node/cli/start-process.test.ts',
  'sim/move-faults.test.ts',
  'sim/layout-changes.test.ts',
  'sim/kernel.test.ts',
  'node/net/silent-links.test.ts',
  'node/iam/escalation.test.ts',
]

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const place = ({ moduleId }: TestSpecification): number => {
      const at = SLOWEST.findIndex((name) => moduleId.endsWith(name))
      return at < 0 ? SLOWEST.length : at
    }
    return sorted.toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['{protocol,gateway,node,sim,bench,.config}/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // All cores: without it one is left to the runner, which has little to do.
    maxWorkers: '100%',
    sequence: { sequencer: SlowestFirst },
  },
})
