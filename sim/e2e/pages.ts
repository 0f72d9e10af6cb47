/**
 * `node sim/e2e/pages.ts [--objects 200] [--page docs/operations.md]`
 *
 * Runs the commands of docs/operations.md as they are there: each block behind `<!-- run: NAME -->`, in the order of the
 * page, by bash, in an empty directory; any command that fails ends it. Only the ports are others. Objects that were
 * written after the first block are read after each one, and a node is lost before the block that replaces it.
 * After another one has taken its place, the lost node comes back with its old disk; it must end with one line, and change
 * nothing.
 */

import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { NodeStatus } from '../../gateway/port/status.ts'
import { runCommand, tail, untilTrue } from '../../bench/harness/process.ts'
import { freeBasePort } from '../../node/testing/free-ports.ts'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { checkout, credentialsOf } from '../../bench/harness/shoal.ts'

const BLOCK = /<!-- run: ([a-z-]+) -->\n```sh\n([^]*?)```/g
/** The ports that the page uses: 90xx. */
const PAGE_PORT = /\b90(\d\d)\b/g
const BLOCK_TIMEOUT_MS = 180_000
/** A layout is at rest a moment before the replicas have compared what they have. */
const STATUS_TIMEOUT_MS = 60_000
const LARGE_BYTES = 3 << 20
/** Keeps the disk of the lost node, which comes back after another node has taken its place. */
const LOST = 'lost'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '200' },
    page: { type: 'string', default: 'docs/operations.md' },
  },
})

/** By the block before which it happens. */
const before: Readonly<Record<string, (home: string) => void>> = {
  replace(home) {
    kill(join(home, 'three'))
    renameSync(join(home, 'three'), join(home, LOST))
  },
}

/** What becomes true of the cluster afterwards. */
const after: Readonly<Record<string, (status: NodeStatus) => boolean>> = {
  grow: ({ members, canLoseANode }) => members.length === 3 && canLoseANode,
  replace: ({ members, canLoseANode }) =>
    canLoseANode &&
    members
      .map(({ name }) => name)
      .sort()
      .join() === 'four,one,two',
  drain: ({ members }) => members.length === 2,
  set: ({ members }) =>
    members.some(
      ({ name, zone, capacityBytes }) =>
        name === 'two-b' && zone === 'rack-2' && capacityBytes === 500 * 2 ** 30,
    ),
}

const home = mkdtempSync(join(tmpdir(), 'shoal-pages-'))
process.on('exit', () => {
  for (const name of readdirSync(home)) kill(join(home, name))
  rmSync(home, { recursive: true, force: true })
})

const text = readFileSync(join(checkout, values.page), 'utf8')
const blocks = [...text.matchAll(BLOCK)].map(([, name = '', lines = '']) => ({ name, lines }))
const missing = Object.keys(after).filter((name) => !blocks.some((block) => block.name === name))
if (missing.length > 0) throw new Error(`${values.page} has no block ${missing.join(', ')}`)

const base = await freeBasePort(4)
const bodies = Array.from({ length: Number(values.objects) }, (_, i) =>
  Buffer.alloc(i % 20 === 0 ? LARGE_BYTES + i : 1_000 + i, `object ${i} `),
)
let client: RawClient | undefined
for (const { name, lines } of blocks) {
  const startMs = performance.now()
  before[name]?.(home)
  await runCommand('bash', ['-euo', 'pipefail', '-c', scriptOf(lines)], {
    cwd: home,
    timeoutMs: BLOCK_TIMEOUT_MS,
  }).catch(() => {
    const said = ['block.log', 'nodes.log'].map((file) => readFileSync(join(home, file), 'utf8'))
    throw new Error(`block ${name} failed:\n${said.map((text) => tail(text)).join('\n')}`)
  })
  const isTrue = after[name]
  if (isTrue) {
    await untilTrue(
      `what the page says of block ${name}`,
      async () => {
        const status = await statusOf('one')
        if (isTrue(status)) return true
        throw new Error(JSON.stringify(status, undefined, 1))
      },
      STATUS_TIMEOUT_MS,
    )
  }
  if (client === undefined) {
    client = new RawClient(`http://127.0.0.1:${base}`, credentialsOf(join(home, 'one')), 8)
    await client.must({ method: 'PUT', bucket: 'page' })
    await eachObject((key, body) => client!.must({ method: 'PUT', bucket: 'page', key, body }))
  }
  if (name === 'replace') await oldDiskIsRefused()
  await eachObject(async (key, body) => {
    const got = await client!.must({ method: 'GET', bucket: 'page', key })
    if (!got.body.equals(body)) throw new Error(`${key} is not what was written`)
  })
  console.log(`ok   ${name} (${((performance.now() - startMs) / 1_000).toFixed(1)} s)`)
}
client?.close()

/** The block with this checkout's program as `shoal`, and with free ports. */
function scriptOf(lines: string): string {
  const main = join(checkout, 'node/main.ts')
  const moved = lines.replaceAll(PAGE_PORT, (_, port: string) => String(base + Number(port)))
  return [
    // A node outlives the shell that started it, so neither it nor its subshell may hold this process's pipes.
    'exec > block.log 2>&1 < /dev/null',
    'shoal() {',
    `  if [ "$1" = start ]; then "${process.execPath}" "${main}" "$@" >> nodes.log 2>&1`,
    `  else "${process.execPath}" "${main}" "$@"; fi`,
    '}',
    moved,
  ].join('\n')
}

async function oldDiskIsRefused(): Promise<void> {
  const before = await statusOf('one')
  const { stderr } = await runCommand(
    process.execPath,
    [join(checkout, 'node/main.ts'), 'start', '--data', LOST],
    { cwd: home, timeoutMs: 120_000, okCodes: [2] },
  )
  const lines = stderr.split('\n').filter((line) => line.startsWith('shoal: '))
  const isTold =
    /was removed from the cluster in epoch \d+: empty its data directory to join again$/
  if (lines.length !== 1 || !isTold.test(lines[0]!)) throw new Error(`the old disk: ${stderr}`)
  const { epoch, members } = await statusOf('one')
  if (epoch !== before.epoch || members.length !== before.members.length) {
    throw new Error(`the old disk made epoch ${epoch} of ${before.epoch}`)
  }
}

async function statusOf(name: string): Promise<NodeStatus> {
  const { stdout } = await runCommand(
    process.execPath,
    [join(checkout, 'node/main.ts'), 'status', '--json', '--data', name],
    { cwd: home, timeoutMs: 30_000 },
  )
  return JSON.parse(stdout) as NodeStatus
}

async function eachObject(
  work: (key: string, body: Uint8Array) => Promise<unknown>,
): Promise<void> {
  await eachLimited(bodies.length, 8, (i) => work(`key-${i}`, bodies[i]!))
}

function kill(directory: string): void {
  try {
    process.kill(Number(readFileSync(join(directory, 'shoal.pid'), 'utf8')), 'SIGKILL')
  } catch {
    // It is gone.
  }
}
