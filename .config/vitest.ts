import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const ROOT = join(import.meta.dirname, '..')

/** They take 15 s and more each, in this order. One that began last would leave the other cores with nothing to do. */
const SLOWEST = [
  'sim/simulation.test.ts',
  'node/cli/start-process.test.ts',
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

// Processes that tests start find what others have compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, 'node_modules/.cache/node')

/** More than a minute together: `npm run test:long` runs them, and so does `.ci/run`. */
export const LONG = [
  'sim/compaction-model.test.ts',
  'sim/floors.test.ts',
  'sim/move-faults.test.ts',
  'sim/mutants/mutants.test.ts',
  'sim/store-crash.test.ts',
]

/** With sockets, processes, native libraries and mocks: each file in a process of its own. */
const APART = ['node/*.test.ts', 'node/{cli,env,net}/**/*.test.ts']

export default defineConfig({
  test: {
    root: ROOT,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Node runs the files itself, as it does outside of tests: no exports behind getters, so simulations are faster.
    experimental: { viteModuleRunner: false },
    // More than there are cores: some tests wait for processes, and the runner itself has little to do.
    maxWorkers: '150%',
    sequence: { sequencer: SlowestFirst },
    projects: [
      { extends: true, test: { name: 'apart', include: APART } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['{protocol,gateway,node,sim,bench,.config}/**/*.test.ts'],
          exclude: [...APART, ...LONG],
          // Code that one file has warmed up is fast in the next one.
          isolate: false,
        },
      },
    ],
  },
})
