/**
 * `node sim/e2e/hung-disk.ts [--seconds 30] [--base-port N]`
 *
 * All files of one of three nodes hang (hung/entry.ts). Prints how long GET, LIST and PUT take through that node and
 * through another one, before and meanwhile, and how much memory the node uses.
 */

import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { memory } from '../../bench/harness/proc.ts'
import { portOf, pauseMs } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient, type BenchRequest } from '../../bench/harness/s3.ts'
import { seededBytes } from './files.ts'

process.env['SHOAL_ENTRY'] = fileURLToPath(new URL('./hung/entry.ts', import.meta.url))
const { Shoal } = await import('../../bench/harness/shoal.ts')

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    'base-port': { type: 'string' },
    'p99-ms': { type: 'string', default: '3000' },
    'rss-mib': { type: 'string', default: '700' },
  },
})
const bucket = 'hung'
const small = seededBytes(1, 4_096)
const large = seededBytes(2, 3 << 20)

type Kind = 'LIST' | 'GET 4 KiB' | 'GET 3 MiB' | 'PUT 4 KiB' | 'PUT 3 MiB'
const KINDS: readonly Kind[] = ['LIST', 'GET 4 KiB', 'GET 3 MiB', 'PUT 4 KiB', 'PUT 3 MiB']

function requestOf(kind: Kind, time: number): BenchRequest {
  switch (kind) {
    case 'LIST':
      return { method: 'GET', bucket, query: { 'list-type': '2', 'max-keys': '100' } }
    case 'GET 4 KiB':
      return { method: 'GET', bucket, key: `small-${time % 50}` }
    case 'GET 3 MiB':
      return { method: 'GET', bucket, key: `large-${time % 4}` }
    case 'PUT 4 KiB':
      return { method: 'PUT', bucket, key: `new-${time % 500}`, body: small }
    case 'PUT 3 MiB':
      return { method: 'PUT', bucket, key: `new-large-${time % 20}`, body: large }
  }
}

async function measure(client: RawClient, forMs: number, title: string): Promise<number> {
  let worst = 0
  const untilMs = performance.now() + forMs
  await Promise.all(
    KINDS.map(async (kind) => {
      const tookMs: number[] = []
      const failed = new Map<string, number>()
      for (let time = 0; performance.now() < untilMs; time++) {
        const startedMs = performance.now()
        const reply = await client.send(requestOf(kind, time))
        tookMs.push(performance.now() - startedMs)
        if (reply.status >= 300) {
          failed.set(s3ErrorCode(reply), (failed.get(s3ErrorCode(reply)) ?? 0) + 1)
        }
        await pauseMs(kind.startsWith('PUT 3') ? 250 : 50)
      }
      tookMs.sort((a, b) => a - b)
      const at = (share: number): number =>
        Math.round(tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? 0)
      worst = Math.max(worst, at(0.99))
      console.log(
        `${title} ${kind}: ${tookMs.length} requests, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ` +
          `max ${at(1)} ms, failed ${JSON.stringify(Object.fromEntries(failed))}`,
      )
    }),
  )
  return worst
}

const shoal = await Shoal.start({ nodes: 3, basePort: portOf(values['base-port']) })
const victim = shoal.pid(2)
let isHung = false
const toggle = (): void => {
  process.kill(victim, 'SIGUSR2')
  isHung = !isHung
}
try {
  const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
  const [other, , own] = clients as [RawClient, RawClient, RawClient]
  await other.must({ method: 'PUT', bucket })
  for (let i = 0; i < 50; i++) {
    await other.must({ method: 'PUT', bucket, key: `small-${i}`, body: small })
  }
  for (let i = 0; i < 4; i++) {
    await other.must({ method: 'PUT', bucket, key: `large-${i}`, body: large })
  }
  await pauseMs(1_000)
  await Promise.all([
    measure(own, 6_000, 'before, through the node: '),
    measure(other, 6_000, 'before, through another:  '),
  ])
  const rss = (): number => Math.round(memory(victim).rssBytes / 2 ** 20)
  const before = rss()
  toggle()
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, rss())), 250)
  const worst = await Promise.all([
    measure(own, Number(values.seconds) * 1_000, 'hung, through the node:   '),
    measure(other, Number(values.seconds) * 1_000, 'hung, through another:    '),
  ])
  const status = JSON.stringify(await shoal.json(2, ['status']))
  console.log(
    `status says: ${/the disk has not answered for \d+ s/.exec(status)?.[0] ?? 'nothing'}`,
  )
  clearInterval(timer)
  console.log(`its memory: ${before} MiB before, at most ${most} MiB while its disk hangs`)
  toggle()
  await pauseMs(5_000)
  await measure(own, 6_000, 'after, through the node:  ')
  for (const client of clients) client.close()
  if (Math.max(...worst) > Number(values['p99-ms']) || most > Number(values['rss-mib'])) {
    console.log('requests took too long, or the node used too much memory')
    process.exitCode = 1
  }
} finally {
  if (isHung) toggle()
  await shoal.close()
}
