/** mc: trees, parts, tags, links, versions, and the settings of buckets that it knows. */

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand, untilTrue } from '../../../bench/harness/process.ts'
import type { CommandOptions } from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal } from '../suite.ts'
import type { Context } from '../suite.ts'
import { builtClient } from './built.ts'

const bucket = 'shoal/mc-bucket'
const locked = 'shoal/mc-locked'

type Mc = (...args: string[]) => Promise<string>

function environmentOf({ scratch, credentials }: Context, endpoint: string): CommandOptions {
  const { protocol, host } = new URL(endpoint)
  const keys = `${credentials.accessKeyId}:${encodeURIComponent(credentials.secretAccessKey)}`
  const env = { MC_CONFIG_DIR: join(scratch, 'mc'), MC_HOST_shoal: `${protocol}//${keys}@${host}` }
  return { env, timeoutMs: 120_000 }
}

async function steps(context: Context, path: string): Promise<void> {
  const mc: Mc = async (...args) =>
    (await runCommand(path, args, environmentOf(context, context.nextEndpoint()))).stdout
  await objectSteps(context, mc)
  await context.step('pipe, head, tags, find, links', async () => {
    const piped = ['-c', 'echo piped | "$1" pipe "$2"', 'sh', path, `${bucket}/piped`]
    await runCommand('sh', piped, environmentOf(context, context.nextEndpoint()))
    equal(await mc('head', '-n', '1', `${bucket}/piped`), 'piped\n', 'head')
    await mc('tag', 'set', `${bucket}/piped`, 'k=v&l=w')
    const tags = JSON.parse(await mc('--json', 'tag', 'list', `${bucket}/piped`)) as object
    equal((tags as { tagset?: unknown }).tagset, { k: 'v', l: 'w' }, 'tags')
    equal(await mc('find', bucket, '--name', 'piped'), `${bucket}/piped\n`, 'found')
    const shared = ['share', 'download', '--expire', '1m', `${bucket}/piped`]
    const { share = '' } = JSON.parse(await mc('--json', ...shared)) as { share?: string }
    equal(await (await fetch(share)).text(), 'piped\n', 'link')
  })
  await settingSteps(context, mc)
  await lockSteps(context, mc, path)
  await context.step('rb --force', async () => {
    await mc('rb', '--force', bucket)
    if ((await mc('ls', 'shoal')).includes('mc-bucket')) throw new Error('still listed')
  })
}

async function objectSteps(context: Context, mc: Mc): Promise<void> {
  const { scratch } = context
  const tree = join(scratch, 'tree')
  makeTree(tree, 150, 8_000)
  await context.step('mb, cp of a tree up and down, ls', async () => {
    await mc('mb', bucket)
    await mc('cp', '--recursive', `${tree}/`, `${bucket}/tree/`)
    await mc('cp', '--recursive', `${bucket}/tree/`, join(scratch, 'down/'))
    await sameTree(join(scratch, 'down'), tree)
    const listed = await mc('ls', '--recursive', `${bucket}/tree/`)
    equal(listed.trim().split('\n').length, 150, 'listed')
  })
  await context.step('mirror, diff', async () => {
    rmSync(join(tree, 'dir-1'), { recursive: true })
    writeFileSync(join(tree, 'added'), seededBytes(3, 4_000))
    await mc('mirror', '--remove', '--overwrite', tree, `${bucket}/tree`)
    equal(await mc('diff', tree, `${bucket}/tree`), '', 'difference')
    await mc('mirror', '--remove', '--overwrite', `${bucket}/tree`, join(scratch, 'down'))
    await sameTree(join(scratch, 'down'), tree)
  })
  const file = join(scratch, 'large.bin')
  writeFileSync(file, seededBytes(24, 40 << 20))
  await context.step('cp in parts, stat, cp within the store, mv', async () => {
    await mc('cp', '--attr', 'a=1;Content-Type=text/x-odd', file, `${bucket}/large + odd`)
    const stat = await mc('--json', 'stat', `${bucket}/large + odd`)
    const { size, metadata } = JSON.parse(stat) as { size?: number; metadata?: object }
    equal(size, 40 << 20, 'size')
    equal(metadata, { 'Content-Type': 'text/x-odd', 'X-Amz-Meta-A': '1' }, 'metadata')
    await mc('cp', `${bucket}/large + odd`, `${bucket}/copy`)
    await mc('mv', `${bucket}/copy`, `${bucket}/moved`)
    await mc('cp', `${bucket}/moved`, `${file}.down`)
    await sameFile(`${file}.down`, file)
  })
}

async function settingSteps(context: Context, mc: Mc): Promise<void> {
  await context.step('versions: rm, ls --versions, undo', async () => {
    await mc('version', 'enable', bucket)
    await mc('rm', `${bucket}/piped`)
    const versions = (await mc('ls', '--versions', `${bucket}/piped`)).trim().split('\n')
    equal(versions.length, 2, 'versions')
    await mc('undo', '--force', `${bucket}/piped`)
    equal(await mc('cat', `${bucket}/piped`), 'piped\n', 'bytes')
  })
  await context.step('anonymous access', async () => {
    const url = `${context.nextEndpoint()}/mc-bucket/piped`
    equal((await fetch(url)).status, 403, 'before')
    await mc('anonymous', 'set', 'download', bucket)
    // Another gateway may have the last policy for a second.
    const answers = async (status: number): Promise<void> => {
      const probe = async (): Promise<true | undefined> =>
        (await fetch(url)).status === status ? true : undefined
      await untilTrue(`status ${status}`, probe, 5_000)
    }
    await answers(200)
    equal(await (await fetch(url)).text(), 'piped\n', 'bytes')
    await mc('anonymous', 'set', 'none', bucket)
    await answers(403)
  })
  await context.step('lifecycle, encryption, CORS', async () => {
    await mc('ilm', 'rule', 'add', '--expire-days', '3', '--prefix', 'logs/', bucket)
    if (!(await mc('ilm', 'rule', 'ls', bucket)).includes('logs/')) throw new Error('no rule')
    await mc('encrypt', 'set', 'sse-s3', bucket)
    if (!(await mc('encrypt', 'info', bucket)).includes('sse-s3')) throw new Error('no default')
    const rules = join(context.scratch, 'cors.xml')
    const rule = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'
    writeFileSync(rules, `<CORSConfiguration><CORSRule>${rule}</CORSRule></CORSConfiguration>`)
    await mc('cors', 'set', bucket, rules)
    if (!(await mc('cors', 'get', bucket)).includes('<AllowedMethod>GET'))
      throw new Error('no CORS')
  })
}

async function lockSteps(context: Context, mc: Mc, path: string): Promise<void> {
  await context.step('object lock: default retention, legal hold, bypass', async () => {
    const object = `${locked}/object`
    await mc('mb', '--with-lock', locked)
    await mc('retention', 'set', '--default', 'GOVERNANCE', '1d', locked)
    const file = join(context.scratch, 'small')
    writeFileSync(file, 'locked')
    await mc('cp', file, object)
    if (!(await mc('retention', 'info', object)).includes('GOVERNANCE'))
      throw new Error('retention')
    await mc('legalhold', 'set', object)
    if (!(await mc('legalhold', 'info', object)).includes('ON')) throw new Error('no legal hold')
    const removal = ['rm', '--versions', '--force', '--bypass', object]
    const options = environmentOf(context, context.nextEndpoint())
    const { stderr } = await runCommand(path, removal, { ...options, okCodes: [1] })
    if (!stderr.includes('object lock')) throw new Error(stderr)
    await mc('legalhold', 'clear', object)
    await mc(...removal)
    await mc('rb', locked)
  })
}

export const mc = builtClient(
  {
    name: 'mc',
    module: 'github.com/minio/mc',
    version: 'v0.0.0-20250313080218-cf909e1063a9',
  },
  steps,
)
