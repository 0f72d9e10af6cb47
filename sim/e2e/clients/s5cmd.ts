/** s5cmd: trees, parts, pipes, links, sync, versions. */

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context } from '../suite.ts'
import { builtClient } from './built.ts'

const bucket = 'sfivecmd-bucket'
const url = `s3://${bucket}`

async function steps(context: Context, path: string): Promise<void> {
  const { scratch } = context
  const s5cmd = async (...args: string[]): Promise<string> => {
    const env = { ...context.environment, S3_ENDPOINT_URL: context.nextEndpoint() }
    return (await runCommand(path, ['--retry-count', '0', ...args], { env })).stdout
  }

  const tree = join(scratch, 'tree')
  makeTree(tree, 200, 7_000)
  await context.step('mb, cp of a tree up and down, ls, du', async () => {
    await s5cmd('mb', url)
    await s5cmd('cp', `${tree}/`, `${url}/tree/`)
    await s5cmd('cp', `${url}/tree/*`, join(scratch, 'down/'))
    await sameTree(join(scratch, 'down'), tree)
    equal((await s5cmd('ls', `${url}/tree/*`)).trim().split('\n').length, 200, 'listed')
    if (!(await s5cmd('du', `${url}/*`)).includes('in 200 objects')) throw new Error('du')
  })

  await context.step('sync --delete', async () => {
    rmSync(join(tree, 'dir-1'), { recursive: true })
    writeFileSync(join(tree, 'added'), seededBytes(3, 4_000))
    await s5cmd('sync', '--delete', `${tree}/`, `${url}/tree/`)
    await s5cmd('sync', '--delete', `${url}/tree/*`, join(scratch, 'down/'))
    await sameTree(join(scratch, 'down'), tree)
  })

  const file = join(scratch, 'large.bin')
  writeFileSync(file, seededBytes(24, 24 << 20))
  await context.step('cp in parts, head, cp within the store, mv', async () => {
    const headers = ['--metadata', 'a=1', '--content-type', 'text/x-odd']
    await s5cmd('cp', '--part-size', '5', ...headers, file, `${url}/large + odd`)
    const head = JSON.parse(await s5cmd('head', `${url}/large + odd`)) as Record<string, unknown>
    equal([head['size'], head['content_type']], [24 << 20, 'text/x-odd'], 'head')
    equal(head['metadata'], { a: '1' }, 'metadata')
    await s5cmd('cp', `${url}/large + odd`, `${url}/copy`)
    await s5cmd('mv', `${url}/copy`, `${url}/moved`)
    await s5cmd('cp', '--part-size', '5', `${url}/moved`, `${file}.down`)
    await sameFile(`${file}.down`, file)
  })

  await context.step('pipe, cat, presign', async () => {
    const env = { ...context.environment, S3_ENDPOINT_URL: context.nextEndpoint() }
    await runCommand('sh', ['-c', 'echo piped | "$1" pipe "$2"', 'sh', path, `${url}/piped`], {
      env,
    })
    equal(await s5cmd('cat', `${url}/piped`), 'piped\n', 'cat')
    const link = (await s5cmd('presign', '--expire', '1m', `${url}/piped`)).trim()
    equal(await (await fetch(link)).text(), 'piped\n', 'link')
  })

  await context.step('run of a file of commands', async () => {
    const commands = Array.from({ length: 50 }, (_, i) => `cp ${tree}/added ${url}/batch/${i}`)
    writeFileSync(join(scratch, 'commands'), commands.join('\n'))
    await s5cmd('run', join(scratch, 'commands'))
    equal((await s5cmd('ls', `${url}/batch/*`)).trim().split('\n').length, 50, 'listed')
  })

  await context.step('versions; rm of all of them, rb', async () => {
    await s5cmd('bucket-version', '--set', 'Enabled', url)
    await s5cmd('cp', join(tree, 'added'), `${url}/piped`)
    await s5cmd('rm', `${url}/piped`)
    const versions = (await s5cmd('ls', '--all-versions', `${url}/piped`)).trim().split('\n')
    equal(versions.length, 3, 'versions')
    await s5cmd('rm', '--all-versions', `${url}/*`)
    await s5cmd('rb', url)
    if ((await s5cmd('ls')).includes(bucket)) throw new Error('the bucket is still listed')
  })
}

export const s5cmd = builtClient(
  { name: 's5cmd', module: 'github.com/peak/s5cmd/v2', version: 'v2.3.0' },
  steps,
)
