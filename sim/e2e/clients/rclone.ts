/** rclone: copy, check, sync, cat with offsets, move, multi-part, server-side copy, purge. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal, sameBytes } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'

const bucket = 'rclone-bucket'

/** A remote named `shoal`, given by the environment; rclone's own configuration stays out. */
export function rcloneEnvironment(context: Context, endpoint: string): Record<string, string> {
  return {
    // rclone refuses to start with one, and speaks plain HTTP here.
    AWS_CA_BUNDLE: '',
    RCLONE_CONFIG: join(context.scratch, 'rclone.conf'),
    RCLONE_CONFIG_SHOAL_TYPE: 's3',
    RCLONE_CONFIG_SHOAL_PROVIDER: 'Other',
    RCLONE_CONFIG_SHOAL_ENDPOINT: endpoint,
    RCLONE_CONFIG_SHOAL_REGION: 'us-east-1',
    RCLONE_CONFIG_SHOAL_ACCESS_KEY_ID: context.credentials.accessKeyId,
    RCLONE_CONFIG_SHOAL_SECRET_ACCESS_KEY: context.credentials.secretAccessKey,
    RCLONE_CONFIG_SHOAL_FORCE_PATH_STYLE: 'true',
    RCLONE_CONFIG_SHOAL_CHUNK_SIZE: '5Mi',
    RCLONE_CONFIG_SHOAL_UPLOAD_CUTOFF: '10Mi',
    RCLONE_CONFIG_SHOAL_COPY_CUTOFF: '10Mi',
  }
}

/** Runs rclone against the next gateway; the result is its standard output. */
function commandOf(context: Context): (...args: string[]) => Promise<string> {
  return async (...args) => {
    const env = rcloneEnvironment(context, context.nextEndpoint())
    const retries = ['--retries', '1', '--low-level-retries', '2']
    return (await runCommand('rclone', [...args, ...retries], { env, timeoutMs: 300_000 })).stdout
  }
}

async function runSuite(context: Context): Promise<void> {
  const { scratch } = context
  writeFileSync(join(scratch, 'rclone.conf'), '')
  const rclone = commandOf(context)
  const remote = `shoal:${bucket}`

  await context.step('mkdir, lsd', async () => {
    await rclone('mkdir', remote)
    if (!(await rclone('lsd', 'shoal:')).includes(bucket)) throw new Error('bucket not listed')
  })

  const tree = join(scratch, 'tree')
  makeTree(tree, 300, 1_000)
  await context.step('copy, check --download', async () => {
    await rclone('copy', tree, `${remote}/tree`, '--transfers', '8')
    await rclone('check', '--download', tree, `${remote}/tree`)
    await rclone('check', tree, `${remote}/tree`)
  })

  await context.step('sync down, then up with changes', async () => {
    await rclone('sync', `${remote}/tree`, join(scratch, 'down'))
    await sameTree(join(scratch, 'down'), tree)
    rmSync(join(tree, 'dir-1'), { recursive: true })
    mkdirSync(join(tree, 'new'))
    writeFileSync(join(tree, 'new', 'file'), 'new')
    writeFileSync(join(tree, 'dir-2', 'changed'), 'changed')
    await rclone('sync', tree, `${remote}/tree`)
    await rclone('check', '--download', tree, `${remote}/tree`)
  })

  const file = join(scratch, 'large.bin')
  writeFileSync(file, seededBytes(24, 24 << 20))
  await context.step('copyto of 24 MiB in parts, and back', async () => {
    await rclone('copyto', file, `${remote}/large.bin`)
    await rclone('copyto', `${remote}/large.bin`, `${file}.down`)
    await sameFile(`${file}.down`, file)
  })

  await context.step('server-side copy in parts, and cat of a range', async () => {
    await rclone('copyto', `${remote}/large.bin`, `${remote}/copies/large.bin`)
    await rclone('copyto', `${remote}/copies/large.bin`, `${file}.copy`)
    await sameFile(`${file}.copy`, file)
    writeFileSync(join(scratch, 'text'), 'The quick brown fox')
    await rclone('copyto', join(scratch, 'text'), `${remote}/text`)
    equal(await rclone('cat', '--offset', '4', '--count', '5', `${remote}/text`), 'quick', 'range')
  })

  await context.step('moveto, lsf, modification times', async () => {
    await rclone('moveto', `${remote}/text`, `${remote}/moved`)
    equal(await rclone('lsf', remote), 'copies/\nlarge.bin\nmoved\ntree/\n', 'listing')
    const before = await rclone('lsl', `${remote}/moved`)
    await rclone('touch', '--timestamp', '2020-02-03T04:05:06', `${remote}/moved`)
    const after = await rclone('lsl', `${remote}/moved`)
    if (before === after || !after.includes('2020-02-03 04:05:06')) throw new Error(after)
    equal(await rclone('cat', `${remote}/moved`), 'The quick brown fox', 'bytes')
  })

  await context.step('rcat of a stream of unknown length', () => streamUp(context, file))

  await context.step('delete, purge', async () => {
    await rclone('delete', `${remote}/tree`)
    equal(await rclone('lsf', '-R', '--files-only', `${remote}/tree`), '', 'left')
    await rclone('purge', remote)
    if ((await rclone('lsd', 'shoal:')).includes(bucket)) throw new Error('bucket still listed')
  })
}

/** Uploads the beginning of the file from a pipe, whose length rclone does not know. */
async function streamUp(context: Context, file: string): Promise<void> {
  const remote = `shoal:${bucket}`
  const command = 'head -c 12582912 "$1" | rclone rcat "$2" --retries 1'
  const env = rcloneEnvironment(context, context.nextEndpoint())
  await runCommand('sh', ['-c', command, 'sh', file, `${remote}/stream`], { env })
  await commandOf(context)('copyto', `${remote}/stream`, `${file}.stream`)
  sameBytes(readFileSync(`${file}.stream`), readFileSync(file).subarray(0, 12_582_912), 'stream')
}

export const rclone: Suite = { name: 'rclone', program: 'rclone', run: runSuite }
