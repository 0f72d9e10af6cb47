/** The AWS SDK for Go v2 and minio-go, in one program. */

import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { foreignSuite } from './suite.ts'

/** Go compiles some 2,000 files of the SDK the first time. */
const BUILD_TIMEOUT_MS = 420_000

export const go = foreignSuite('go', {
  name: 'go',
  toolchain: ['go'],
  prepare: async (sources, cache) => {
    const build = ['build', '-o', join(cache, 'clients'), '.']
    await runCommand('go', build, { cwd: sources, timeoutMs: BUILD_TIMEOUT_MS })
  },
  command: (_, cache) => [join(cache, 'clients')],
})
