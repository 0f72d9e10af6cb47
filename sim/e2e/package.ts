/**
 * `node sim/e2e/package.ts [--keep]`
 *
 * The package that `npm pack` makes, as a stranger gets it: it holds what runs and nothing else; installed into an empty
 * directory, `npx shoal start` serves S3, on the oldest Node that package.json allows and on the Node of this checkout;
 * and its types are those that TypeScript finds.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { Child, runCommand, tail } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { checkout, credentialsOf, readyNodesOf } from '../../bench/harness/shoal.ts'
import { freeBasePort } from '../../node/testing/free-ports.ts'
import { isTestSupport } from '../repository/source.ts'

const { values } = parseArgs({ options: { keep: { type: 'boolean', default: false } } })

const ROOT_TEXTS = ['README.md', 'LICENSE', 'CHANGELOG.md']

/** What `npm pack --json` says. */
interface Packed {
  readonly filename: string
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string; readonly mode: number }[]
}

/** What this reads of package.json. */
interface Manifest {
  readonly bin: { readonly shoal: string }
  readonly engines: { readonly node: string }
}

interface Runtime {
  readonly version: string
  /** The directory of the binary: first in the PATH, so npm and npx run by it, too. */
  readonly bin: string
}

const work = mkdtempSync(join(tmpdir(), 'shoal-package-'))
process.on('exit', () => {
  if (values.keep) console.log(`kept: ${work}`)
  else rmSync(work, { recursive: true, force: true })
})

// Under `npm run` these would send npm's installs to the checkout.
for (const name of Object.keys(process.env)) {
  if (/^npm_(package|lifecycle|config_(local_)?prefix)|^INIT_CWD$/.test(name)) {
    delete process.env[name]
  }
}

async function pack(): Promise<{ readonly tarball: string; readonly packed: Packed }> {
  const args = ['pack', '--json', '--pack-destination', work]
  const { stdout } = await runCommand('npm', args, { cwd: checkout, timeoutMs: 60_000 })
  const [packed] = JSON.parse(stdout) as Packed[]
  if (packed === undefined) throw new Error(`npm pack says nothing: ${stdout}`)
  return { tarball: join(work, packed.filename), packed }
}

/** What must not be in the package, and what is missing in it. */
function problemsOf({ files }: Packed, { bin }: Manifest): string[] {
  const problems: string[] = []
  const paths = new Set(files.map(({ path }) => path))
  for (const path of paths) {
    const source = /^dist\/(.*?)(?:\.d\.ts|\.js)$/.exec(path)?.[1]
    const isBundle = /^dist\/bundle\/[\w-]+\.(js|txt|md)$/.test(path)
    const isText = /^(docs\/([a-z]+\/)?[a-z0-9-]+\.(md|svg)|[A-Z]+(\.md)?|package\.json)$/.test(
      path,
    )
    const isRun = source !== undefined && /^(protocol|gateway|node)\//.test(source)
    if (!isText && !isRun && !isBundle) problems.push(`${path} is no part of what runs`)
    if (source !== undefined && isTestSupport(`${source}.ts`)) problems.push(`${path} is for tests`)
    const twin = isRun && path.endsWith('.js') ? path.replace(/\.js$/, '.d.ts') : undefined
    if (twin !== undefined && !paths.has(twin)) problems.push(`${twin} is missing`)
  }
  for (const path of [bin.shoal, 'dist/bundle/THIRD-PARTY.md', ...ROOT_TEXTS]) {
    if (!paths.has(path)) problems.push(`${path} is missing`)
  }
  const entry = files.find(({ path }) => path === bin.shoal)
  if (((entry?.mode ?? 0) & 0o111) !== 0o111) problems.push(`${bin.shoal} can't be executed`)
  const [first = ''] = readFileSync(join(checkout, bin.shoal), 'utf8').split('\n')
  if (!first.startsWith('#!')) problems.push(`${bin.shoal} begins with ${first}`)
  return problems
}

/** A Node from the registry: the npm package `node` brings the binary of each platform. */
async function installNode(range: string): Promise<Runtime> {
  const home = join(work, `node-${range}`)
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), JSON.stringify({ allowScripts: { node: true } }))
  await runCommand('npm', ['install', '--no-audit', '--no-fund', `node@${range}`], {
    cwd: home,
    timeoutMs: 60_000,
  })
  return runtimeAt(join(home, 'node_modules/node/bin'))
}

async function runtimeAt(bin: string): Promise<Runtime> {
  const { stdout } = await runCommand(join(bin, 'node'), ['--version'], { timeoutMs: 10_000 })
  return { version: stdout.trim(), bin }
}

/** Installs the package into an empty directory, by this Node, and returns the directory. */
async function install(tarball: string, { version, bin }: Runtime): Promise<string> {
  const home = join(work, `home-${version}`)
  mkdirSync(home)
  await runCommand('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], {
    cwd: home,
    env: { PATH: pathWith(bin) },
    timeoutMs: 90_000,
  })
  return home
}

function pathWith(bin: string): string {
  return [bin, process.env['PATH'] ?? ''].join(delimiter)
}

/** `npx shoal start` until its ready line; an object put and got; and stopped by a signal. */
async function serve(home: string, { bin }: Runtime): Promise<void> {
  const base = await freeBasePort(1)
  const data = join(home, 'data')
  const address = (offset: number): string => `127.0.0.1:${base + offset}`
  const args = ['--no-install', 'shoal', 'start', '--data', data].concat(
    ['--s3', address(0), '--admin', address(1)],
    ['--listen', `/ip4/127.0.0.1/tcp/${base + 2}`],
  )
  const node = new Child('npx', args, { cwd: home, env: { PATH: pathWith(bin) } })
  try {
    const { s3 } = await node.waitFor('a ready line', (said) => readyNodesOf(said)[0], 30_000)
    const client = new RawClient(s3, credentialsOf(data))
    const body = Buffer.from('from the package')
    await client.must({ method: 'PUT', bucket: 'packed' })
    await client.must({ method: 'PUT', bucket: 'packed', key: 'object', body })
    const got = await client.must({ method: 'GET', bucket: 'packed', key: 'object' })
    client.close()
    if (!got.body.equals(body)) throw new Error('GET gives other bytes than PUT took')
    // The node alone: npx passes signals on, and a second one ends a node at once.
    process.kill(Number(readFileSync(join(data, 'shoal.pid'), 'utf8')), 'SIGTERM')
    const code = await node.exited(20_000)
    if (code !== 0) throw new Error(`the node ended with ${code ?? 'nothing in 20 s'}`)
  } catch (error) {
    console.log(tail(node.output))
    throw error
  } finally {
    await node.kill()
  }
}

const consumer = `
import { startNode } from "shoal"
import { resolveConfig } from "shoal/config"

export const node = await startNode(
  resolveConfig({ flags: { data: './data' } }),
  { logger: { debug() {}, info() {}, warn() {}, error() {} }, failed() {} },
  {},
)
const url: string = node.s3Url
// @ts-expect-error It is no number: so the types are there, and not just any.
const wrong: number = node.s3Url
export { url, wrong }
`

/** A program that imports the package passes TypeScript, and finds what it imports. */
async function checkTypes(home: string, { bin }: Runtime): Promise<void> {
  writeFileSync(join(home, 'consumer.mts'), consumer)
  mkdirSync(join(home, 'node_modules/@types'), { recursive: true })
  symlinkSync(join(checkout, 'node_modules/@types/node'), join(home, 'node_modules/@types/node'))
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--types', 'node']
  const language = ['--target', 'es2024', '--module', 'nodenext']
  const tsc = join(checkout, 'node_modules/.bin/tsc')
  const env = { PATH: pathWith(bin) }
  await runCommand(tsc, [...options, ...language, 'consumer.mts'], { cwd: home, env })
  const script =
    'const shoal = await import("shoal"); const config = await import("shoal/config"); ' +
    'process.exit(typeof shoal.startNode + typeof config.resolveConfig === "functionfunction" ? 0 : 1)'
  await runCommand('node', ['--input-type=module', '--eval', script], { cwd: home, env })
}

async function main(): Promise<void> {
  const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as Manifest
  const { tarball, packed } = await pack()
  const problems = problemsOf(packed, manifest)
  if (problems.length > 0) throw new Error(`the package is wrong:\n${problems.join('\n')}`)
  const mebi = (packed.unpackedSize / 2 ** 20).toFixed(1)
  console.log(`packed: ${packed.files.length} files, ${mebi} MiB`)
  const oldest = /^>=(\d+\.\d+)$/.exec(manifest.engines.node)?.[1]
  if (oldest === undefined)
    throw new Error(`engines: ${manifest.engines.node} is not >=MAJOR.MINOR`)
  const own = await runtimeAt(dirname(process.execPath))
  for (const runtime of [await installNode(oldest), own]) {
    const home = await install(tarball, runtime)
    await serve(home, runtime)
    console.log(`Node ${runtime.version}: installed, started, an object put and got, stopped`)
    if (runtime === own) await checkTypes(home, runtime)
  }
  console.log('types: found')
}

await main()
