/** s3cmd: the oldest of the clients, with its own signer and its own ideas. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'

const bucket = 's3cmd-bucket'

/** Runs s3cmd against the next gateway; the result is its standard output. */
function commandOf(context: Context): (...args: string[]) => Promise<string> {
  const { scratch } = context
  return async (...args) => {
    const { host, protocol } = new URL(context.nextEndpoint())
    const https = protocol === 'https:' ? 'True' : 'False'
    const config = join(scratch, `s3cfg-${host.replace(':', '-')}`)
    writeFileSync(
      config,
      [
        '[default]',
        `access_key = ${context.credentials.accessKeyId}`,
        `secret_key = ${context.credentials.secretAccessKey}`,
        `host_base = ${host}`,
        // Path style.
        `host_bucket = ${host}`,
        `use_https = ${https}`,
        `signurl_use_https = ${https}`,
        'bucket_location = us-east-1',
        'multipart_chunk_size_mb = 5',
        'max_retries = 1',
        '',
      ].join('\n'),
    )
    const all = ['--config', config, '--no-progress', ...args]
    return (await runCommand('s3cmd', all, { timeoutMs: 300_000 })).stdout
  }
}

async function runSuite(context: Context): Promise<void> {
  const { scratch } = context
  const s3cmd = commandOf(context)
  const remote = `s3://${bucket}`

  await context.step('mb, ls, info', async () => {
    await s3cmd('mb', remote)
    if (!(await s3cmd('ls')).includes(remote)) throw new Error('bucket not listed')
    const info = await s3cmd('info', remote)
    if (!info.includes(remote)) throw new Error(info)
  })

  const tree = join(scratch, 'tree')
  makeTree(tree, 120, 2_000)
  await context.step('sync up and down', async () => {
    await s3cmd('sync', `${tree}/`, `${remote}/tree/`)
    await s3cmd('sync', `${remote}/tree/`, `${scratch}/down/`)
    await sameTree(join(scratch, 'down'), tree)
  })

  const file = join(scratch, 'large.bin')
  writeFileSync(file, seededBytes(21, 21 << 20))
  await context.step('put of 21 MiB in parts, get, cp', async () => {
    await s3cmd('put', file, `${remote}/large.bin`)
    await s3cmd('get', `${remote}/large.bin`, `${file}.down`)
    await sameFile(`${file}.down`, file)
    await s3cmd('cp', `${remote}/large.bin`, `${remote}/copy.bin`)
    await s3cmd('get', `${remote}/copy.bin`, `${file}.copy`)
    await sameFile(`${file}.copy`, file)
  })

  await context.step('put with headers, info, modify, mv', async () => {
    const small = join(scratch, 'small')
    writeFileSync(small, 'small')
    const headers = ['--add-header=x-amz-meta-a:1', '--mime-type=text/x-odd']
    await s3cmd('put', ...headers, small, `${remote}/odd = + ünïcødé.txt`)
    const info = await s3cmd('info', `${remote}/odd = + ünïcødé.txt`)
    if (!/MIME type:\s+text\/x-odd/.test(info) || !/x-amz-meta-a:\s+1/.test(info)) {
      throw new Error(info)
    }
    await s3cmd('modify', '--add-header=x-amz-meta-b:2', `${remote}/odd = + ünïcødé.txt`)
    await s3cmd('mv', `${remote}/odd = + ünïcødé.txt`, `${remote}/moved`)
    const moved = await s3cmd('info', `${remote}/moved`)
    if (!/x-amz-meta-b:\s+2/.test(moved)) throw new Error(moved)
    await s3cmd('get', `${remote}/moved`, `${small}.down`)
    await sameFile(`${small}.down`, small)
  })

  await context.step('ls -r, du, signurl', async () => {
    const lines = (await s3cmd('ls', '-r', `${remote}/tree/`)).trim().split('\n')
    equal(lines.length, 120, 'listed files')
    const url = (await s3cmd('signurl', `${remote}/moved`, '+60')).trim()
    // s3cmd signs such addresses with signature version 2.
    if (!url.includes('AWSAccessKeyId=')) throw new Error(url)
    const reply = await fetch(url)
    equal([reply.status, await reply.text()], [200, 'small'], 'signurl')
  })

  await context.step('del -r, rb', async () => {
    await s3cmd('del', '--recursive', '--force', `${remote}/tree/`)
    equal((await s3cmd('ls', `${remote}/tree/`)).trim(), '', 'left')
    await s3cmd('rb', '--recursive', '--force', remote)
    if ((await s3cmd('ls')).includes(remote)) throw new Error('bucket still listed')
  })
}

export const s3cmd: Suite = { name: 's3cmd', program: 's3cmd', run: runSuite }
