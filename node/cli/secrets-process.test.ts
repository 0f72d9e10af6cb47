/**
 * Other users of a machine, and those who read its logs, see no secret of a cluster of real processes (F37). Looks at
 * arguments of processes, everything printed, the answers of the open admin routes, and modes of files.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readCredentials } from '../process/credential-files.ts'
import { readNode } from '../process/node-file.ts'
import { freeBasePort } from '../testing/free-ports.ts'

const MAIN = join(import.meta.dirname, '..', 'main.ts')
const TIMEOUT_MS = 90_000
const NODES = 2

let parent: string
let child: ChildProcess | undefined

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-secrets-'))
})
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child?.once('exit', resolve))
    child.kill('SIGINT')
    await gone
  }
  rmSync(parent, { recursive: true, force: true })
})

/** The command lines of a process and of its children, as far as they can be read. */
function commandLines(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const lineOf = (each: number | string): string => readFileSync(`/proc/${each}/cmdline`, 'latin1')
  const linesOfChildren = children.flatMap((child) => {
    try {
      return child === '' ? [] : [lineOf(child)]
    } catch {
      // The child has just ended.
      return []
    }
  })
  return [lineOf(pid), ...linesOfChildren]
}

/** What others can see while a cluster runs. */
interface Visible {
  /** Everything printed, and the answers of the admin ports. */
  text: string
  readonly commandLines: Set<string>
}

const ROOT = { SHOAL_ROOT_ACCESS_KEY: 'ROOT_ACCESS', SHOAL_ROOT_SECRET_KEY: 'root-secret-key' }

/** Resolves when all nodes serve. */
async function startCluster(data: string, base: number): Promise<Visible> {
  const args = ['cluster', '--nodes', `${NODES}`, '--data', data, '--base-port', `${base}`]
  const own = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...ROOT, SHOAL_LOG_LEVEL: 'debug' },
  })
  child = own
  const visible: Visible = { text: '', commandLines: new Set() }
  await new Promise<void>((resolve, reject) => {
    const note = (chunk: Buffer): void => {
      visible.text += chunk.toString()
      // Looks while nodes join as well: that is when they have the token.
      const lines = own.exitCode === null ? commandLines(own.pid!) : []
      for (const line of lines) visible.commandLines.add(line)
      if ((visible.text.match(/^ready /gm) ?? []).length === NODES) resolve()
    }
    own.stdout.on('data', note)
    own.stderr.on('data', note)
    own.once('exit', (code) => reject(new Error(`exit code ${code}: ${visible.text.slice(-500)}`)))
  })
  return visible
}

/** Asks a node's admin port with and without its credential, and notes the answers. */
async function askAdmin(admin: string, credential: string, visible: Visible): Promise<void> {
  const headers = { authorization: `Bearer ${credential}` }
  for (const path of ['/health/live', '/health/ready', '/metrics', '/status', '/token']) {
    const open = await fetch(admin + path)
    visible.text += await open.text()
    expect([path, open.status]).toEqual([path, path.match(/health|metrics/) ? 200 : 401])
    visible.text += await (await fetch(admin + path, { headers })).text()
  }
  for (const path of ['/layout', '/lost', '/scrub']) {
    visible.text += await (await fetch(admin + path, { headers })).text()
  }
}

/** The secrets of one node, by what they are. */
function secretsOf(directory: string, i: number): [string, string][] {
  const { privateKey, clusterSecret } = readNode(directory)!
  return [
    [`private key ${i}`, privateKey],
    [`cluster secret ${i}`, clusterSecret!],
    [`cluster secret ${i} as hex`, Buffer.from(clusterSecret!, 'base64').toString('hex')],
    [`admin credential ${i}`, readFileSync(join(directory, 'admin-credential'), 'utf8').trim()],
  ]
}

it(
  'a cluster shows its secrets only to the user who runs it (F37)',
  async () => {
    const data = join(parent, 'cluster')
    const base = await freeBasePort(NODES)
    const visible = await startCluster(data, base)
    const directories = Array.from({ length: NODES }, (_, i) => join(data, `node-${i}`))
    const admin = (i: number): string => `http://127.0.0.1:${base + 10 * i + 1}`
    const secrets = new Map(directories.flatMap(secretsOf))
    for (const [i, directory] of directories.entries()) {
      await askAdmin(admin(i), secrets.get(`admin credential ${i}`)!, visible)
      for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
        const { mode } = statSync(join(directory, name))
        expect([name, (mode & 0o077).toString(8)]).toEqual([name, '0'])
      }
    }
    secrets.set('root secret', readCredentials(directories[0]!)!.secretAccessKey)
    expect(secrets.get('root secret')).toBe(ROOT.SHOAL_ROOT_SECRET_KEY)
    // Each credential opens one node only.
    const other = { authorization: `Bearer ${secrets.get('admin credential 0')!}` }
    expect((await fetch(`${admin(1)}/status`, { headers: other })).status).toBe(403)

    expect(visible.commandLines.size).toBeGreaterThan(NODES)
    for (const line of visible.commandLines) expect(line).not.toMatch(/[A-Za-z0-9_-]{100}/)
    expect(visible.text).not.toMatch(/was an argument/)
    const all = [...visible.commandLines, visible.text].join('\n')
    expect(all).not.toMatch(/"verifier"|"sealedSecret"/)
    for (const [name, secret] of secrets) {
      expect([name, all.includes(secret)]).toEqual([name, false])
    }
    // Only the node that may found a cluster is given the root credentials.
    const [founder, joiner] = directories.map((directory) => {
      const pid = readFileSync(join(directory, 'shoal.pid'), 'utf8').trim()
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(ROOT.SHOAL_ROOT_SECRET_KEY)
    })
    expect([founder, joiner]).toEqual([true, false])
  },
  TIMEOUT_MS,
)
