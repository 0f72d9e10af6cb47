/**
 * Suites in other languages. Each program under sim/e2e/foreign/ is given the endpoints and the root key in its
 * environment, and writes one line a step: `ok TITLE`, or `FAIL TITLE`, a tab and the reason; lines that are indented
 * go on with it.
 *
 * What a program needs is fetched and built once a checkout, in node_modules/.cache.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommand, which } from '../../../bench/harness/process.ts'
import type { Context, Suite } from '../suite.ts'

export interface ForeignProgram {
  readonly name: string
  /** Programs that must be installed. */
  readonly toolchain: readonly string[]
  /** True where `prepare` fetches so much that the suite is run only when asked for, or when it is there already. */
  readonly dear?: boolean
  /** Fetches libraries and builds; nothing to do when that is done already. */
  readonly prepare: (sources: string, cache: string) => Promise<void>
  readonly command: (sources: string, cache: string) => readonly [string, ...string[]]
}

const here = dirname(fileURLToPath(import.meta.url))
/** Where fetched and built clients are kept, a folder for each. */
export const clientCache = join(here, '..', '..', '..', 'node_modules', '.cache', 'shoal-clients')
/** A file that says that `prepare` came to its end once. */
const PREPARED = 'prepared'
const RUN_TIMEOUT_MS = 240_000

export function foreignSuite(directory: string, program: ForeignProgram): Suite {
  const sources = join(here, directory)
  const cache = join(clientCache, program.name)
  return {
    name: program.name,
    toolchain: program.toolchain,
    ...(program.dear === true ? { prepared: () => existsSync(join(cache, PREPARED)) } : {}),
    run: async (context) => {
      mkdirSync(cache, { recursive: true })
      let prepared = false
      await context.step('libraries', async () => {
        await program.prepare(sources, cache)
        writeFileSync(join(cache, PREPARED), '')
        prepared = true
      })
      // A run of chosen steps passes over the preparation too.
      if (prepared || context.results.length === 0)
        await runProgram(context, program, sources, cache)
    },
  }
}

async function runProgram(
  context: Context,
  program: ForeignProgram,
  sources: string,
  cache: string,
): Promise<void> {
  const [command, ...args] = program.command(sources, cache)
  const { stdout, stderr, code } = await runCommand(command, args, {
    cwd: cache,
    timeoutMs: RUN_TIMEOUT_MS,
    okCodes: [0, 1],
    env: {
      SHOAL_ENDPOINTS: context.endpoints.join(','),
      SHOAL_SCRATCH: context.scratch,
      PYTHONDONTWRITEBYTECODE: '1',
      ...context.environment,
    },
  })
  let ok = 0
  for (const { title, failure } of stepsOf(stdout)) {
    if (failure === undefined) ok++
    await context.step(title, () =>
      failure === undefined ? Promise.resolve() : Promise.reject(new Error(failure)),
    )
  }
  if (!/^done$/m.test(stdout) || (code !== 0 && ok === 0)) {
    throw new Error(`${program.name} did not come to its end: exit code ${code}\n${stderr}`)
  }
}

function stepsOf(output: string): { title: string; failure: string | undefined }[] {
  const steps: { title: string; failure: string | undefined }[] = []
  for (const line of output.split('\n')) {
    const match = /^(ok|FAIL) ([^\t]*)\t?(.*)$/.exec(line)
    const last = steps.at(-1)
    const [, kind, title = '', failure = ''] = match ?? []
    if (kind !== undefined) steps.push({ title, failure: kind === 'ok' ? undefined : failure })
    else if (last?.failure !== undefined && line.startsWith(' ')) last.failure += `\n${line}`
  }
  return steps
}

/** The first program that is not there, or undefined. */
export async function missingTool(programs: readonly string[]): Promise<string | undefined> {
  for (const program of programs) if ((await which(program)) === undefined) return program
  return undefined
}
