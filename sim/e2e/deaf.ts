/**
 * `node sim/e2e/deaf.ts [--seconds 60] [--clients 4] [--base-port N]`
 *
 * One of three nodes is stopped (SIGSTOP): it stays connected and does not answer. Lists, changes of a setting,
 * reads and writes go on through the other two. Prints how long they take before, meanwhile and after.
 */

import { parseArgs } from 'node:util'
import { portOf, pauseMs } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient, type BenchRequest } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { seededBytes } from './files.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '4' },
    'base-port': { type: 'string' },
    'p99-ms': { type: 'string', default: '1000' },
  },
})
const seconds = Number(values.seconds)
const bucket = 'deaf'
const small = seededBytes(1, 4_096)
const large = seededBytes(2, 3 << 20)

type Kind = 'LIST' | 'setting' | 'GET 4 KiB' | 'GET 3 MiB' | 'PUT 4 KiB'

function requestOf(kind: Kind, time: number): BenchRequest {
  const key = `small-${time % 50}`
  switch (kind) {
    case 'LIST':
      return { method: 'GET', bucket, query: { 'list-type': '2' } }
    case 'setting': {
      const status = time % 2 === 0 ? 'Enabled' : 'Suspended'
      const body = Buffer.from(
        `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
      )
      return { method: 'PUT', bucket: 'settings', query: { versioning: '' }, body }
    }
    case 'GET 4 KiB':
      return { method: 'GET', bucket, key }
    case 'GET 3 MiB':
      return { method: 'GET', bucket, key: 'large' }
    case 'PUT 4 KiB':
      return { method: 'PUT', bucket, key, body: small }
  }
}

const KINDS: readonly Kind[] = ['LIST', 'setting', 'GET 4 KiB', 'GET 3 MiB', 'PUT 4 KiB']

/** Sends all kinds of request at once for a while, each kind by clients of its own. */
async function measure(
  clients: readonly RawClient[],
  forMs: number,
): Promise<Map<Kind, { tookMs: number[]; failed: Map<string, number> }>> {
  const results = new Map(
    KINDS.map((kind) => [kind, { tookMs: [] as number[], failed: new Map<string, number>() }]),
  )
  const untilMs = performance.now() + forMs
  const lanes = KINDS.flatMap((kind) =>
    Array.from({ length: kind === 'setting' ? 1 : Number(values.clients) / 2 }, async (_, lane) => {
      const { tookMs, failed } = results.get(kind)!
      for (let time = lane; performance.now() < untilMs; time++) {
        const startedMs = performance.now()
        const reply = await clients[time % clients.length]!.send(requestOf(kind, time))
        tookMs.push(performance.now() - startedMs)
        if (reply.status >= 300) {
          const code = s3ErrorCode(reply)
          failed.set(code, (failed.get(code) ?? 0) + 1)
        }
        // A steady pace: what counts is how long one request takes.
        await pauseMs(20)
      }
    }),
  )
  await Promise.all(lanes)
  return results
}

function print(title: string, results: Awaited<ReturnType<typeof measure>>): number {
  let worst = 0
  for (const [kind, { tookMs, failed }] of results) {
    const sorted = [...tookMs].sort((a, b) => a - b)
    const at = (share: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
    worst = Math.max(worst, at(0.99))
    console.log(
      `${title} ${kind}: ${sorted.length} requests, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, ` +
        `max ${at(1)} ms, failed ${JSON.stringify(Object.fromEntries(failed))}`,
    )
  }
  return worst
}

const shoal = await Shoal.start({ nodes: 3, basePort: portOf(values['base-port']) })
const deaf = shoal.pid(2)
try {
  const clients = shoal.endpoints.slice(0, 2).map((url) => new RawClient(url, shoal.credentials))
  const [first] = clients
  await first!.must({ method: 'PUT', bucket })
  await first!.must({ method: 'PUT', bucket: 'settings' })
  for (let i = 0; i < 50; i++) {
    await first!.must({ method: 'PUT', bucket, key: `small-${i}`, body: small })
  }
  await first!.must({ method: 'PUT', bucket, key: 'large', body: large })
  await pauseMs(2_000)
  const calm = print('before:', await measure(clients, 8_000))
  process.kill(deaf, 'SIGSTOP')
  const worst = print('deaf:  ', await measure(clients, seconds * 1_000))
  process.kill(deaf, 'SIGCONT')
  await pauseMs(3_000)
  print('after: ', await measure(clients, 8_000))
  for (const client of clients) client.close()
  // A time-out takes 4 s. On a machine that is busy with other work, requests take long before, too.
  if (worst > Math.max(Number(values['p99-ms']), 1.5 * calm)) {
    console.log(`a p99 of ${worst} ms is too long, ${calm} ms before`)
    process.exitCode = 1
  }
} finally {
  try {
    process.kill(deaf, 'SIGCONT')
  } catch {
    // It is gone.
  }
  await shoal.close()
}
