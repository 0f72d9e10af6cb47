import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const ROOT = join(import.meta.dirname, '..')

/**
 * Files that take 15 s or more, the slowest first. They are started first: a slow file that began last would keep one core
 * busy while the others have nothing to do.
 */
const SLOWEST = [
  'gateway/conformance/conformance.test.ts',
  'sim/simulation.test.ts',
  'node/cli/start-process.test.ts',
  'node/cli/gateway-threads-process.test.ts',
  'gateway/threads/worker.test.ts',
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

// Processes that tests start use what earlier ones have compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(ROOT, 'node_modules/.cache/node')

/** Files that `npm test` leaves out because together they take more than two minutes; `npm run test:long` and `.ci/run` run them. */
export const LONG = [
  'node/iam/escalation.test.ts',
  'node/net/silent-links.test.ts',
  'protocol/keyspace/placement-moves.test.ts',
  'sim/log/damaged-records.test.ts',
  'sim/log/compaction-model.test.ts',
  'sim/scenarios/floors.test.ts',
  'sim/scenarios/growing.test.ts',
  'sim/scenarios/layout-changes.test.ts',
  'sim/scenarios/lifecycle-many.test.ts',
  'sim/scenarios/move-faults.test.ts',
  'sim/mutants/mutants.test.ts',
  'sim/log/store-crash.test.ts',
]

/** Files with sockets, processes, native libraries or mocks: each runs in a process of its own. */
export const APART = ['node/{cli,env,net,process,start,status,tools}/**/*.test.ts']

export default defineConfig({
  test: {
    root: ROOT,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Node runs the files itself, as it does outside of tests. Vite would put getters in front of all exports, which makes
    // simulations slower.
    experimental: { viteModuleRunner: false },
    // More workers than cores, because some tests mostly wait for processes.
    maxWorkers: '150%',
    sequence: { sequencer: SlowestFirst },
    // `npm run coverage`.
    coverage: {
      provider: 'v8',
      include: ['{protocol,gateway,node}/**/*.ts'],
      exclude: ['**/testing/**', 'gateway/{conformance,memory}/**'],
      reporter: ['text-summary', 'html'],
      reportsDirectory: join(ROOT, 'coverage'),
    },
    projects: [
      { extends: true, test: { name: 'apart', include: APART, exclude: LONG } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['{protocol,gateway,node,sim,bench,.config}/**/*.test.ts'],
          exclude: [...APART, ...LONG],
          // Files share a process, so code that one file has made the compiler optimise is fast in the next one.
          isolate: false,
        },
      },
    ],
  },
})
