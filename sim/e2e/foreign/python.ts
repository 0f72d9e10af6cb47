/** boto3 and minio for Python, in an environment of their own. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { foreignSuite } from './suite.ts'

export const python = foreignSuite('python', {
  name: 'python',
  toolchain: ['python3'],
  prepare: async (sources, cache) => {
    const environment = join(cache, 'environment')
    const pip = join(environment, 'bin', 'pip')
    if (!existsSync(pip)) await runCommand('python3', ['-m', 'venv', environment])
    const wanted = ['--requirement', join(sources, 'requirements.txt')]
    const quiet = ['--quiet', '--disable-pip-version-check']
    await runCommand(pip, ['install', ...quiet, ...wanted], { timeoutMs: 180_000 })
  },
  command: (sources, cache) => [
    join(cache, 'environment', 'bin', 'python'),
    join(sources, 'main.py'),
  ],
})
