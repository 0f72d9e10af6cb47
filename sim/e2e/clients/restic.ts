/** restic: init, two backups, check with all data, restore, forget --prune. */

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'

const bucket = 'restic-bucket'

async function runSuite(context: Context): Promise<void> {
  const { scratch } = context
  const restic = async (...args: string[]): Promise<string> => {
    const env = {
      ...context.environment,
      RESTIC_PASSWORD: 'not a secret',
      RESTIC_CACHE_DIR: join(scratch, 'cache'),
    }
    const repository = ['-r', `s3:${context.nextEndpoint()}/${bucket}/repository`]
    return (await runCommand('restic', [...repository, ...args], { env, timeoutMs: 300_000 }))
      .stdout
  }

  const tree = join(scratch, 'tree')
  makeTree(tree, 200, 3_000)
  writeFileSync(join(tree, 'large.bin'), seededBytes(3_333, 30 << 20))

  await context.step('init, backup', async () => {
    await restic('init')
    await restic('backup', tree)
  })

  await context.step('second backup of a changed tree', async () => {
    rmSync(join(tree, 'dir-3'), { recursive: true })
    writeFileSync(join(tree, 'dir-1', 'added'), seededBytes(1, 2_000_000))
    await restic('backup', tree)
    const snapshots = JSON.parse(await restic('snapshots', '--json')) as unknown[]
    equal(snapshots.length, 2, 'snapshots')
  })

  await context.step('check --read-data', async () => {
    await restic('check', '--read-data')
  })

  await context.step('restore', async () => {
    await restic('restore', 'latest', '--target', join(scratch, 'restored'))
    await sameTree(join(scratch, 'restored', tree), tree)
  })

  await context.step('forget --prune, check', async () => {
    await restic('forget', '--keep-last', '1', '--prune')
    await restic('check')
  })
}

export const restic: Suite = { name: 'restic', program: 'restic', run: runSuite }
