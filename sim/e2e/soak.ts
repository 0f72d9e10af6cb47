/**
 * `node sim/e2e/soak.ts [--minutes 15] [--clients 9] [--base-port N] [--nodes 3]`
 *
 * A cluster of processes under a mixed load: small and large PUTs, overwrites, GETs, lists, deletes,
 * multipart uploads, and clients that read slowly what is overwritten under them. It prints memory, open
 * files and write amplification of each node over time, the share of 503 and log lines by kind. Exits 1 on
 * a wrong byte, or when more than 0.1 % of the answers are 5xx.
 */

import { parseArgs } from 'node:util'
import { sumOf } from '../../bench/harness/metrics.ts'
import { memory, openFiles } from '../../bench/harness/proc.ts'
import { portOf, pauseMs } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { diskUse } from './space/disk-use.ts'
import { SoakClient, SOAK_BUCKET } from './soak/lane.ts'
import { SoakTally } from './soak/tally.ts'

const FAILED_SHARE_MAX = 0.001
const SAMPLES = 15
const SAMPLE_MS_MIN = 10_000

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    clients: { type: 'string', default: '9' },
    nodes: { type: 'string', default: '3' },
    'base-port': { type: 'string' },
    'segment-size': { type: 'string', default: '64MiB' },
  },
})
const durationMs = Number(values.minutes) * 60_000

const mib = (bytes: number): string => String(Math.round(bytes / (1 << 20)))

async function sample(shoal: Shoal, startMs: number): Promise<void> {
  const nodes: string[] = []
  for (let node = 0; node < shoal.size; node++) {
    const pid = shoal.pid(node)
    const samples = await shoal.metrics(node)
    const rss = mib(memory(pid).rssBytes)
    const files = openFiles(pid)
    const amplification = sumOf(samples, 'shoal_write_amplification').toFixed(2)
    const { logBytes, indexBytes } = diskUse(shoal.nodeDir(node))
    const disk = `log ${mib(logBytes)}, index ${mib(indexBytes)} MiB`
    nodes.push(`RSS ${rss} MiB, ${files} files, ×${amplification} written, ${disk}`)
  }
  const seconds = Math.round((performance.now() - startMs) / 1_000)
  console.log(`${String(seconds).padStart(4)} s  ${nodes.join(' | ')}`)
}

async function main(): Promise<number> {
  const shoal = await Shoal.start({
    nodes: Number(values.nodes),
    basePort: portOf(values['base-port']),
    env: { SHOAL_SEGMENT_SIZE: values['segment-size'] },
  })
  const tally = new SoakTally()
  try {
    const { credentials } = shoal
    const clients = shoal.endpoints.map((url) => new RawClient(url, credentials))
    await clients[0]?.must({ method: 'PUT', bucket: SOAK_BUCKET })
    const startMs = performance.now()
    const isOver = (): boolean => performance.now() - startMs >= durationMs
    const lanes = Array.from(
      { length: Number(values.clients) },
      (_, number) => new SoakClient({ number, clients, credentials, tally, isOver }),
    )
    const running = Promise.all(lanes.map((lane) => lane.run()))
    const sampleMs = Math.max(SAMPLE_MS_MIN, durationMs / SAMPLES)
    let nextMs = sampleMs
    while (!isOver()) {
      await pauseMs(1_000)
      tally.readLog(shoal.output)
      if (performance.now() - startMs < nextMs) continue
      nextMs += sampleMs
      await sample(shoal, startMs)
    }
    await running
    let checked = 0
    for (const lane of lanes) checked += await lane.checkAll()
    await sample(shoal, startMs)
    tally.readLog(shoal.output)
    for (const client of clients) client.close()
    return report(tally, lanes, checked)
  } finally {
    await shoal.close()
  }
}

function report(tally: SoakTally, lanes: readonly SoakClient[], checked: number): number {
  const { total } = tally
  const share = (count: number): string => `${((100 * count) / Math.max(1, total)).toFixed(3)} %`
  console.log(`answers: ${total}, checked at the end: ${checked} keys`)
  for (const line of tally.answers()) console.log(line)
  console.log(`503: ${share(tally.count('503'))}, all 5xx: ${share(tally.count('5'))}`)
  console.log('log lines by kind:')
  for (const line of tally.logLines()) console.log(line)
  const wrong = lanes.flatMap((lane) => lane.wrong)
  for (const line of wrong.slice(0, 20)) console.log(`WRONG: ${line}`)
  const failed = tally.count('5') / Math.max(1, total)
  if (wrong.length > 0) console.log(`soak: ${wrong.length} wrong answers`)
  if (failed > FAILED_SHARE_MAX) console.log('soak: more than 0.1 % of the answers were 5xx')
  return wrong.length > 0 || failed > FAILED_SHARE_MAX || total === 0 ? 1 : 0
}

process.exitCode = await main()
