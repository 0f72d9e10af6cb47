/**
 * `node sim/e2e/parallel-parts.ts [--parts 25] [--part-mib 16] [--times 4]`
 *
 * Parts of one upload at once through one of three nodes: they wait for room, and none is refused.
 */

import { parseArgs } from 'node:util'
import { portOf } from '../../bench/harness/process.ts'
import { s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { memory } from '../../bench/harness/proc.ts'
import { seededBytes } from './files.ts'

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: '25' },
    'part-mib': { type: 'string', default: '16' },
    times: { type: 'string', default: '4' },
    'base-port': { type: 'string' },
  },
})
const parts = Number(values.parts)
const times = Number(values.times)
const bucket = 'parts'

const shoal = await Shoal.start({ nodes: 3, basePort: portOf(values['base-port']) })
try {
  const [endpoint = ''] = shoal.endpoints
  const client = new RawClient(endpoint, shoal.credentials)
  await client.must({ method: 'PUT', bucket })
  const body = seededBytes(1, Number(values['part-mib']) << 20)
  const answers = new Map<string, number>()
  const tookMs: number[] = []
  for (let time = 0; time < times; time++) {
    const key = `upload-${time}`
    const begun = await client.must({ method: 'POST', bucket, key, query: { uploads: '' } })
    const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())?.[1] ?? ''
    await Promise.all(
      Array.from({ length: parts }, async (_, i) => {
        const startedMs = performance.now()
        const query = { partNumber: String(i + 1), uploadId }
        const reply = await client.send({ method: 'PUT', bucket, key, query, body })
        const code = reply.status === 200 ? '200' : `${reply.status} ${s3ErrorCode(reply)}`
        answers.set(code, (answers.get(code) ?? 0) + 1)
        tookMs.push(performance.now() - startedMs)
        if (reply.status !== 200 && time === 0 && answers.get(code) === 1)
          console.log(
            reply.body.toString(),
            `after ${Math.round(performance.now() - startedMs)} ms`,
          )
      }),
    )
    await client.send({ method: 'DELETE', bucket, key, query: { uploadId } })
  }
  tookMs.sort((a, b) => a - b)
  const rss = shoal.pids().map((pid) => Math.round(memory(pid).rssBytesMax / 2 ** 20))
  console.log(
    `${times} x ${parts} parts at once: ${JSON.stringify(Object.fromEntries(answers))}, ` +
      `slowest ${Math.round(tookMs.at(-1) ?? 0)} ms, resident at most ${rss.join(', ')} MiB`,
  )
  client.close()
  if ([...answers.keys()].some((code) => code !== '200')) process.exitCode = 1
} finally {
  await shoal.close()
}
