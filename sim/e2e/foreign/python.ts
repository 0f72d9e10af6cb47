/** Clients in Python, each list of libraries in an environment of its own. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import type { Suite } from '../suite.ts'
import { foreignSuite } from './suite.ts'

const ENVIRONMENT = 'environment'

function interpreterIn(cache: string): string {
  return join(cache, ENVIRONMENT, 'bin', 'python')
}

/** The program and the list of its libraries are files of the folder python. */
function pythonSuite(name: string, program: string, libraries: string, dear: boolean): Suite {
  return foreignSuite('python', {
    name,
    toolchain: ['python3'],
    dear,
    prepare: async (sources, cache) => {
      // Not the script pip, which has the path of the checkout that made it.
      const interpreter = interpreterIn(cache)
      if (!existsSync(interpreter)) {
        await runCommand('python3', ['-m', 'venv', join(cache, ENVIRONMENT)])
      }
      const wanted = ['--requirement', join(sources, libraries)]
      const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
      await runCommand(interpreter, [...install, ...wanted], { timeoutMs: 300_000 })
    },
    command: (sources, cache) => [interpreterIn(cache), join(sources, program)],
  })
}

/** boto3, minio for Python and aws-cli of version 1. */
export const python = pythonSuite('python', 'main.py', 'requirements.txt', false)

/** pyarrow, polars, delta-rs and obstore: together some 500 MB. */
export const tables = pythonSuite('tables', 'tables.py', 'tables.txt', true)
