/**
 * `node sim/e2e/proxies.ts [--only caddy,nginx,haproxy] [--step REGEXP] [--require-all]`
 *
 * Runs the proxies that are installed with the texts of docs/tls.md, in front of a node that trusts them, and the
 * conformance cases through them, over TLS. Only ports and names of files are others. A policy that asks for the client's
 * address and for TLS must see both.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Child, untilTrue, which } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { checkout, Shoal } from '../../bench/harness/shoal.ts'
import { ONE } from '../../gateway/testing/test-certificates.ts'
import { freeBasePort } from '../../node/testing/free-ports.ts'
import { conformance } from './clients/conformance.ts'
import { tlsSettings, trustAuthorities } from './https.ts'
import { Context, equal } from './suite.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    step: { type: 'string' },
    'require-all': { type: 'boolean', default: false },
  },
})

const BLOCK = /<!-- run: ([a-z]+) -->\n```[a-z]+\n([^]*?)```/g
const PAGE = 'docs/tls.md'

/** How a proxy is started with a file that holds its text. */
interface Program {
  readonly command: (file: string) => readonly [string, ...string[]]
  /** Around the page's text: what the machine's own files hold otherwise. */
  readonly around?: (text: string, directory: string) => string
  /** Settings of the node. */
  readonly env?: Readonly<Record<string, string>>
}

const programs: Readonly<Record<string, Program>> = {
  caddy: {
    command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file],
    around: (text) => `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text}`,
  },
  nginx: {
    command: (file) => ['nginx', '-c', file],
    around: (text, directory) =>
      [
        `daemon off;\npid ${directory}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;`,
        ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
          (kind) => `${kind}_temp_path ${directory}/${kind};`,
        ),
        `${text}}`,
      ].join('\n'),
  },
  haproxy: {
    command: (file) => ['haproxy', '-db', '-f', file],
    env: { SHOAL_PROXY_HEADER: 'proxy-protocol' },
  },
}

/** The page's text with this run's ports and files. */
function recipe(text: string, directory: string, port: number, target: string): string {
  const swapped = text
    .replaceAll('127.0.0.1:9000', target)
    .replaceAll('/etc/shoal/', `${directory}/`)
    .replaceAll('listen 443', `listen 127.0.0.1:${port}`)
    .replaceAll('bind :443', `bind 127.0.0.1:${port}`)
    .replace(/^s3\.example\.org \{/m, `https://127.0.0.1:${port} {`)
  equal(swapped.includes('443'), String(port).includes('443'), `${PAGE} has another port`)
  return swapped
}

/** Whoever comes from this machine over TLS may list the bucket. */
async function seesTheClient(context: Context): Promise<void> {
  const bucket = 'behind-a-proxy'
  const client = new RawClient(context.endpoint(0), context.credentials)
  try {
    await client.must({ method: 'PUT', bucket })
    const Statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:ListBucket',
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: {
        IpAddress: { 'aws:SourceIp': '127.0.0.1' },
        Bool: { 'aws:SecureTransport': 'true' },
      },
    }
    const body = Buffer.from(JSON.stringify({ Version: '2012-10-17', Statement }))
    await client.must({ method: 'PUT', bucket, query: { policy: '' }, body })
    const url = `${context.endpoint(0)}/${bucket}`
    equal((await fetch(url)).status, 200, 'status of an anonymous listing')
    // The proxy must not let a client say another address.
    const forged = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1;proto=http' }
    equal((await fetch(url, { headers: forged })).status, 200, 'status with forged headers')
  } finally {
    client.close()
  }
}

async function run(name: string, text: string, program: Program): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), `shoal-${name}-`))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(join(directory, 'scratch'))
  tlsSettings(directory, ONE)
  writeFileSync(join(directory, 's3-with-key.pem'), ONE.chain + ONE.key, { mode: 0o600 })
  const env = { SHOAL_TRUSTED_PROXIES: '127.0.0.1', ...program.env }
  const shoal = await Shoal.start({ nodes: 1, env })
  let proxy: Child | undefined
  try {
    const port = await freeBasePort(1)
    const target = new URL(shoal.endpoints[0] ?? '').host
    const ported = recipe(text, directory, port, target)
    const file = join(directory, name)
    writeFileSync(file, program.around?.(ported, directory) ?? ported)
    const [command, ...args] = program.command(file)
    const started = new Child(command, args, { env: { HOME: directory, XDG_DATA_HOME: directory } })
    proxy = started
    const endpoint = `https://127.0.0.1:${port}`
    const answers = async (): Promise<true | undefined> =>
      (await fetch(endpoint)).status === 403 ? true : undefined
    await untilTrue(`an answer through ${name}`, answers, 15_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${started.output}`)
    })
    const step = values.step === undefined ? undefined : new RegExp(values.step)
    const context = new Context([endpoint], shoal.credentials, join(directory, 'scratch'), step)
    console.log(name)
    await context.step('the client is seen', () => seesTheClient(context))
    await conformance.run(context)
    const failed = context.results.filter(({ failure }) => failure !== undefined).length
    console.log(`${name}: ${context.results.length} steps, ${failed} failed`)
    return failed
  } finally {
    await proxy?.kill()
    await shoal.close()
  }
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-proxies-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  trustAuthorities(scratch, ONE.chain)
  const page = readFileSync(join(checkout, PAGE), 'utf8')
  const blocks = new Map([...page.matchAll(BLOCK)].map(([, name = '', text = '']) => [name, text]))
  equal([...blocks.keys()].sort(), Object.keys(programs).sort(), `recipes of ${PAGE}`)
  const only = values.only?.split(',')
  let failed = 0
  for (const [name, program] of Object.entries(programs)) {
    if (only?.includes(name) === false) continue
    if ((await which(name)) === undefined) {
      console.log(`${name}: not installed`)
      if (values['require-all']) failed++
      continue
    }
    failed += await run(name, blocks.get(name) ?? '', program)
  }
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
