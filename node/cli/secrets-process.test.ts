/**
 * What other users of a machine, and whoever reads logs, see of a cluster of real processes: no secret (F37).
 * Arguments of processes, everything printed, the answers of the open admin routes, modes of files.
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

/** Every readable command line of the process and of its children. */
function commandLines(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  const lineOf = (each: number | string): string => readFileSync(`/proc/${each}/cmdline`, 'latin1')
  const linesOfChildren = children.flatMap((child) => {
    try {
      return child === '' ? [] : [lineOf(child)]
    } catch {
      // A child that has just ended shows nothing to anybody.
      return []
    }
  })
  return [lineOf(pid), ...linesOfChildren]
}

it(
  'a cluster shows its secrets to nobody but the user who runs it',
  async () => {
    const data = join(parent, 'cluster')
    const base = await freeBasePort(NODES)
    const args = ['cluster', '--nodes', `${NODES}`, '--data', data, '--base-port', `${base}`]
    const given = { SHOAL_ROOT_ACCESS_KEY: 'ROOT_ACCESS', SHOAL_ROOT_SECRET_KEY: 'root-secret-key' }
    const own = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...given, SHOAL_LOG_LEVEL: 'debug' },
    })
    child = own
    let printed = ''
    const seen = new Set<string>()
    await new Promise<void>((resolve, reject) => {
      const note = (chunk: Buffer): void => {
        printed += chunk.toString()
        // Also while nodes join: that is when they have the token.
        for (const line of own.exitCode === null ? commandLines(own.pid!) : []) seen.add(line)
        if ((printed.match(/^ready /gm) ?? []).length === NODES) resolve()
      }
      own.stdout.on('data', note)
      own.stderr.on('data', note)
      own.once('exit', (code) => reject(new Error(`exit code ${code}: ${printed.slice(-500)}`)))
    })

    const directories = Array.from({ length: NODES }, (_, i) => join(data, `node-${i}`))
    const admin = (i: number): string => `http://127.0.0.1:${base + 10 * i + 1}`
    const secrets = new Map<string, string>()
    for (const [i, directory] of directories.entries()) {
      const { privateKey, clusterSecret } = readNode(directory)!
      const credential = readFileSync(join(directory, 'admin-credential'), 'utf8').trim()
      secrets.set(`private key ${i}`, privateKey)
      secrets.set(`cluster secret ${i}`, clusterSecret!)
      secrets.set(
        `cluster secret ${i} as hex`,
        Buffer.from(clusterSecret!, 'base64').toString('hex'),
      )
      secrets.set(`admin credential ${i}`, credential)
      for (const path of ['/health/live', '/health/ready', '/metrics', '/status', '/token']) {
        const open = await fetch(admin(i) + path)
        printed += await open.text()
        expect([path, open.status]).toEqual([path, path.match(/health|metrics/) ? 200 : 401])
        const headers = { authorization: `Bearer ${credential}` }
        printed += await (await fetch(admin(i) + path, { headers })).text()
      }
      for (const path of ['/layout', '/lost', '/scrub']) {
        const headers = { authorization: `Bearer ${credential}` }
        printed += await (await fetch(admin(i) + path, { headers })).text()
      }
      for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
        const { mode } = statSync(join(directory, name))
        expect([name, (mode & 0o077).toString(8)]).toEqual([name, '0'])
      }
    }
    secrets.set('root secret', readCredentials(directories[0]!)!.secretAccessKey)
    expect(secrets.get('root secret')).toBe(given.SHOAL_ROOT_SECRET_KEY)
    // One credential opens one node.
    const other = { authorization: `Bearer ${secrets.get('admin credential 0')!}` }
    expect((await fetch(`${admin(1)}/status`, { headers: other })).status).toBe(403)

    expect(seen.size).toBeGreaterThan(NODES)
    for (const line of seen) expect(line).not.toMatch(/[A-Za-z0-9_-]{100}/)
    expect(printed).not.toMatch(/was an argument/)
    const visible = [...seen, printed].join('\n')
    expect(visible).not.toMatch(/"verifier"|"sealedSecret"/)
    for (const [name, secret] of secrets) {
      expect([name, visible.includes(secret)]).toEqual([name, false])
    }
    // Only the one that may found is given the root's.
    const [founder, joiner] = directories.map((directory) => {
      const pid = readFileSync(join(directory, 'shoal.pid'), 'utf8').trim()
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(given.SHOAL_ROOT_SECRET_KEY)
    })
    expect([founder, joiner]).toEqual([true, false])
  },
  TIMEOUT_MS,
)
