/**
 * The AWS SDK for JavaScript v2, minio for JavaScript, and forms by version 3 of the SDK, whose other steps are the suite
 * `sdk`.
 */

import { copyFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { foreignSuite } from './suite.ts'

const INSTALL = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']

export const javascript = foreignSuite('javascript', {
  name: 'javascript',
  toolchain: ['npm'],
  prepare: async (sources, cache) => {
    // The program must be beside its libraries.
    for (const name of readdirSync(sources)) copyFileSync(join(sources, name), join(cache, name))
    await runCommand('npm', [...INSTALL, '--silent'], { cwd: cache, timeoutMs: 240_000 })
  },
  command: (_, cache) => [process.execPath, join(cache, 'main.mjs')],
})
