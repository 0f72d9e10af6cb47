/** Buckets mounted as file systems by FUSE: s3fs, and rclone mount. */

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  Child,
  reason,
  runCommand,
  tail,
  untilTrue,
  which,
} from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'
import { rcloneEnvironment } from './rclone.ts'

const FUSE = '/dev/fuse'
/** The calls below wait for the file system. Where it hangs, they fail once its program is ended. */
const DEADLINE = '150s'

/** A program that mounts a bucket at a directory, and stays in the foreground. */
type Mount = (context: Context, bucket: string, at: string) => Child

async function suiteOf(context: Context, bucket: string, mount: Mount): Promise<void> {
  await context.makeBucket(bucket)
  const [one, two] = [join(context.scratch, 'one'), join(context.scratch, 'two')]
  const tree = join(context.scratch, 'tree')
  makeTree(tree, 60, 6_000)
  const large = join(context.scratch, 'large.bin')
  writeFileSync(large, seededBytes(61, 24 << 20))

  await context.step('a tree and a large file are written, read and renamed', async () => {
    await mounted(context, bucket, mount, one, async () => {
      cpSync(tree, join(one, 'tree'), { recursive: true })
      await sameTree(join(one, 'tree'), tree)
      cpSync(large, join(one, 'large + odd'))
      renameSync(join(one, 'large + odd'), join(one, 'renamed'))
      await sameFile(join(one, 'renamed'), large)
    })
  })
  await context.step(
    'a later mount through another gateway has it all; a folder is removed',
    async () => {
      await mounted(context, bucket, mount, two, async () => {
        equal(readdirSync(two).sort(), ['renamed', 'tree'], 'names')
        await sameTree(join(two, 'tree'), tree)
        await sameFile(join(two, 'renamed'), large)
        // In a later mount, because rclone only gives up the upload of a file that is removed while it is sent.
        rmSync(join(two, 'tree', 'dir-1'), { recursive: true })
      })
    },
  )
  rmSync(join(tree, 'dir-1'), { recursive: true })
  await context.step('a file grows, and is cut', async () => {
    const path = join(one, 'notes')
    await mounted(context, bucket, mount, one, async () => {
      await sameTree(join(one, 'tree'), tree)
      writeFileSync(path, 'one\n')
      appendFileSync(path, 'two\n')
    })
    await mounted(context, bucket, mount, one, () => {
      equal(readFileSync(path, 'utf8'), 'one\ntwo\n', 'text')
      writeFileSync(path, 'three\n')
      equal(statSync(path).size, 6, 'size')
      rmSync(join(one, 'tree'), { recursive: true })
      equal(existsSync(join(one, 'tree')), false, 'the tree is there')
      return Promise.resolve()
    })
  })
}

/** Mounts, works, and unmounts; what was written is in the bucket when it returns. */
async function mounted(
  context: Context,
  bucket: string,
  mount: Mount,
  at: string,
  work: () => Promise<void>,
): Promise<void> {
  mkdirSync(at, { recursive: true })
  const program = mount(context, bucket, at)
  const fusermount = (await which('fusermount3')) ?? 'fusermount'
  try {
    await untilTrue('the mount', () => Promise.resolve(isMounted(at, program)), 20_000, 50)
    await work()
    await runCommand(fusermount, ['-u', at])
    equal(await program.exited(60_000), 0, 'exit code')
  } catch (error) {
    throw new Error(`${reason(error)}\n${tail(program.output, 20)}`, { cause: error })
  } finally {
    await program.stop()
    // Where the work failed, the directory must be free for the next step.
    await runCommand(fusermount, ['-u', '-z', at], { okCodes: [0, 1] })
  }
}

function isMounted(at: string, program: Child): true | undefined {
  if (program.exitCode !== undefined) throw new Error(`ended: ${program.output}`)
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${at} fuse`) ? true : undefined
}

function s3fsMount(context: Context, bucket: string, at: string): Child {
  const passwords = join(context.scratch, 'passwd-s3fs')
  const { accessKeyId, secretAccessKey } = context.credentials
  writeFileSync(passwords, `${accessKeyId}:${secretAccessKey}`, { mode: 0o600 })
  const options = [
    `url=${context.nextEndpoint()}`,
    'use_path_request_style',
    `passwd_file=${passwords}`,
    'endpoint=us-east-1',
    'multipart_size=5',
    // With one only, it does not look at the authorities of CURL_CA_BUNDLE.
    'retries=2',
  ]
  return new Child('timeout', [DEADLINE, 's3fs', bucket, at, '-f', '-o', options.join(',')])
}

function rcloneMountAt(context: Context, bucket: string, at: string): Child {
  const caches = ['--vfs-cache-mode', 'writes', '--cache-dir', join(context.scratch, 'cache')]
  // Files are sent when they are closed, not some seconds later. Lists of directories are kept for the default of five
  // minutes: where rclone lists again during a recursive removal, it does not find the directory that it has emptied,
  // and the removal ends there without an error.
  const options = ['--vfs-write-back', '0s', '--retries', '1']
  const env = rcloneEnvironment(context, context.nextEndpoint())
  const args = ['mount', `shoal:${bucket}`, at, ...caches, ...options]
  return new Child('timeout', [DEADLINE, 'rclone', ...args], { env })
}

export const s3fs: Suite = {
  name: 's3fs',
  program: 's3fs',
  device: FUSE,
  run: (context) => suiteOf(context, 's3fs-bucket', s3fsMount),
}

export const rcloneMount: Suite = {
  name: 'rclone-mount',
  program: 'rclone',
  device: FUSE,
  run: async (context) => {
    writeFileSync(join(context.scratch, 'rclone.conf'), '')
    await suiteOf(context, 'rclone-mount-bucket', rcloneMountAt)
  },
}
