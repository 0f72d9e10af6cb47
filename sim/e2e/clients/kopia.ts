/** kopia: snapshots, verification of all bytes, restore, maintenance, and a repository under object lock. */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RawClient } from '../../../bench/harness/s3.ts'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context } from '../suite.ts'
import { builtClient } from './built.ts'

const bucket = 'kopia-bucket'
const lockedBucket = 'kopia-locked-bucket'

type Kopia = (...args: string[]) => Promise<string>

/** Runs kopia with a configuration of this name, which knows one repository. */
function commandOf(context: Context, path: string, name: string): Kopia {
  const directory = join(context.scratch, name)
  mkdirSync(directory, { recursive: true })
  const env = {
    KOPIA_PASSWORD: 'not a secret',
    KOPIA_CHECK_FOR_UPDATES: 'false',
    KOPIA_CACHE_DIRECTORY: join(directory, 'cache'),
    KOPIA_LOG_DIR: join(directory, 'logs'),
    KOPIA_CONFIG_PATH: join(directory, 'repository.config'),
    HOME: directory,
  }
  return async (...args) => (await runCommand(path, args, { env, timeoutMs: 180_000 })).stdout
}

/** The options by which kopia finds a bucket through the next gateway. */
function storeOf(context: Context, name: string): string[] {
  const { host, protocol } = new URL(context.nextEndpoint())
  const { accessKeyId, secretAccessKey } = context.credentials
  return [
    `--bucket=${name}`,
    '--prefix=a repository/',
    `--endpoint=${host}`,
    '--region=us-east-1',
    `--access-key=${accessKeyId}`,
    `--secret-access-key=${secretAccessKey}`,
    ...(protocol === 'http:' ? ['--disable-tls'] : []),
  ]
}

async function steps(context: Context, path: string): Promise<void> {
  await context.makeBucket(bucket)
  const { scratch } = context
  const kopia = commandOf(context, path, 'first')
  const tree = join(scratch, 'tree')
  makeTree(tree, 200, 9_000)
  writeFileSync(join(tree, 'large.bin'), seededBytes(9_999, 30 << 20))

  await context.step('repository, first snapshot', async () => {
    await kopia('repository', 'create', 's3', ...storeOf(context, bucket))
    await kopia('snapshot', 'create', tree)
  })
  await context.step('second snapshot of a changed tree, through another gateway', async () => {
    rmSync(join(tree, 'dir-3'), { recursive: true })
    writeFileSync(join(tree, 'dir-1', 'added'), seededBytes(1, 2_000_000))
    await kopia('repository', 'disconnect')
    await kopia('repository', 'connect', 's3', ...storeOf(context, bucket))
    await kopia('snapshot', 'create', tree)
    const listed = JSON.parse(await kopia('snapshot', 'list', '--json', tree)) as unknown[]
    equal(listed.length, 2, 'snapshots')
  })
  await context.step('verify of all files', async () => {
    await kopia('snapshot', 'verify', '--verify-files-percent=100')
  })
  await context.step('restore on another machine', async () => {
    const other = commandOf(context, path, 'other')
    await other('repository', 'connect', 's3', ...storeOf(context, bucket))
    const listed = JSON.parse(await other('snapshot', 'list', '--all', '--json')) as {
      id: string
    }[]
    await other('snapshot', 'restore', listed.at(-1)?.id ?? '', join(scratch, 'restored'))
    await sameTree(join(scratch, 'restored'), tree)
  })
  await context.step('delete of a snapshot, full maintenance, verify', async () => {
    const listed = JSON.parse(await kopia('snapshot', 'list', '--json', tree)) as { id: string }[]
    await kopia('snapshot', 'delete', listed[0]?.id ?? '', '--delete')
    await kopia('maintenance', 'run', '--full', '--safety=none')
    await kopia('snapshot', 'verify', '--verify-files-percent=100')
  })
  await context.step('a repository under object lock', () => lockedStep(context, path, tree))
}

async function lockedStep(context: Context, path: string, tree: string): Promise<void> {
  const client = new RawClient(context.endpoint(0), context.credentials)
  try {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
    await client.must({ method: 'PUT', bucket: lockedBucket, headers })
  } finally {
    client.close()
  }
  const kopia = commandOf(context, path, 'locked')
  const retention = ['--retention-mode=COMPLIANCE', '--retention-period=72h']
  const store = storeOf(context, lockedBucket)
  await kopia('repository', 'create', 's3', ...store, ...retention)
  await kopia('snapshot', 'create', join(tree, 'dir-1'))
  await kopia('maintenance', 'set', '--extend-object-locks=true')
  await kopia('maintenance', 'run', '--full')
  await kopia('snapshot', 'verify', '--verify-files-percent=100')
}

export const kopia = builtClient(
  { name: 'kopia', module: 'github.com/kopia/kopia', version: 'v0.22.3' },
  steps,
)
