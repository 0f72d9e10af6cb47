/** The AWS SDK for Java v2: the synchronous, the asynchronous and the native client. */

import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { foreignSuite } from './suite.ts'

const BUILD_TIMEOUT_MS = 300_000

export const java = foreignSuite('java', {
  name: 'java',
  toolchain: ['java', 'mvn'],
  prepare: async (sources, cache) => {
    const goals = ['compile', 'dependency:copy-dependencies', '-DincludeScope=runtime']
    const target = [`-Dshoal.build=${cache}`, `-DoutputDirectory=${join(cache, 'libraries')}`]
    const options = { cwd: sources, timeoutMs: BUILD_TIMEOUT_MS }
    await runCommand('mvn', ['-q', '-B', ...target, ...goals], options)
  },
  command: (_, cache) => {
    const classes = `${join(cache, 'classes')}:${join(cache, 'libraries')}/*`
    return ['java', '-cp', classes, 'clients.Main']
  },
})
