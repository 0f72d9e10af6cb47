/**
 * Clients that are Go programs, built from the proxy of Go modules at the version that is named here. A build takes minutes
 * the first time, so these suites run only where they are asked for, or where their program was built before; see
 * `Suite.prepared`.
 */

import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { clientCache } from '../foreign/suite.ts'
import type { Context, Suite } from '../suite.ts'

export interface GoProgram {
  readonly name: string
  readonly module: string
  readonly version: string
  /** The folder of the program in the module; absent where the module is the program. */
  readonly folder?: string
}

const BUILD_TIMEOUT_MS = 1_200_000

/** A suite that builds the program, and gives its path to the steps. */
export function builtClient(
  program: GoProgram,
  steps: (context: Context, path: string) => Promise<void>,
): Suite {
  const { name, version } = program
  const directory = join(clientCache, name)
  const path = join(directory, `${name}-${version}`)
  return {
    name,
    toolchain: ['go'],
    prepared: () => existsSync(path),
    run: async (context) => {
      await context.step(`build of ${version}`, () => build(program, directory, path))
      // A run of chosen steps passes over the build.
      if (existsSync(path)) await steps(context, path)
    },
  }
}

async function build(program: GoProgram, directory: string, path: string): Promise<void> {
  if (existsSync(path)) return
  const { module, version, folder } = program
  const target = folder === undefined ? module : `${module}/${folder}`
  mkdirSync(directory, { recursive: true })
  // `go install` of a version asks for the list of all versions, which not every proxy has. A module that requires one doesn't.
  const lines = ['module shoal/client', 'go 1.24', `tool ${target}`, `require ${module} ${version}`]
  writeFileSync(join(directory, 'go.mod'), lines.join('\n'))
  const flags = ['-mod=mod', '-trimpath', '-ldflags=-s']
  const options = { cwd: directory, timeoutMs: BUILD_TIMEOUT_MS }
  await runCommand('go', ['build', ...flags, '-o', `${path}.new`, target], options)
  renameSync(`${path}.new`, path)
}
