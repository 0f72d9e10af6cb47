/**
 * `node sim/e2e/parts.ts [--parts 5000] [--part-bytes 70000] [--base-port N]`
 *
 * An object of many parts on one, two and three nodes: it is uploaded, completed, and read whole and in
 * ranges, also with one of three down, and its list of parts in pages. The parts are smaller than S3 allows,
 * by the setting `partSizeMin`, which is for this: 5,000 parts of 5 MiB would be 25 GB.
 */

import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { portOf } from '../../bench/harness/process.ts'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { seededBytes } from './files.ts'

const { values } = parseArgs({
  options: {
    parts: { type: 'string', default: '5000' },
    'part-bytes': { type: 'string', default: '70000' },
    'base-port': { type: 'string' },
  },
})
const parts = Number(values.parts)
const partBytes = Number(values['part-bytes'])
const bucket = 'parts'
const key = 'many'

function partOf(number: number): Uint8Array {
  return seededBytes(number, partBytes)
}

async function upload(client: RawClient): Promise<void> {
  const begun = await client.must({ method: 'POST', bucket, key, query: { uploads: '' } })
  const uploadId = /<UploadId>([^<]+)</.exec(begun.body.toString())?.[1] ?? ''
  const etags: string[] = []
  await eachLimited(parts, 24, async (i) => {
    const query = { partNumber: String(i + 1), uploadId }
    const reply = await client.must({ method: 'PUT', bucket, key, query, body: partOf(i + 1) })
    etags[i] = String(reply.headers.etag)
  })
  let listed = 0
  let marker = '0'
  for (;;) {
    const query = { uploadId, 'part-number-marker': marker }
    const page = (await client.must({ method: 'GET', bucket, key, query })).body.toString()
    listed += page.match(/<PartNumber>/g)?.length ?? 0
    if (!page.includes('<IsTruncated>true')) break
    marker = /<NextPartNumberMarker>(\d+)</.exec(page)?.[1] ?? ''
  }
  if (listed !== parts) throw new Error(`${listed} of ${parts} parts are listed`)
  const xml = etags
    .map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('')
  const body = Buffer.from(`<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>`)
  const done = await client.must({ method: 'POST', bucket, key, query: { uploadId }, body })
  if (!done.body.toString().includes('<ETag>')) throw new Error(done.body.toString())
}

function expected(): string {
  const hash = createHash('sha256')
  for (let number = 1; number <= parts; number++) hash.update(partOf(number))
  return hash.digest('hex')
}

async function read(client: RawClient, digest: string): Promise<number> {
  const startedMs = performance.now()
  const whole = await client.must({ method: 'GET', bucket, key, timeoutMs: 120_000 })
  const tookMs = performance.now() - startedMs
  if (createHash('sha256').update(whole.body).digest('hex') !== digest) {
    throw new Error(`other bytes came back: ${whole.body.length}`)
  }
  // Across the border of two parts, in the middle.
  const at = Math.floor(parts / 2) * partBytes - 10
  const headers = { range: `bytes=${at}-${at + 19}` }
  const range = await client.must({ method: 'GET', bucket, key, headers })
  if (!range.body.equals(whole.body.subarray(at, at + 20)))
    throw new Error('another range came back')
  return tookMs
}

const digest = expected()
for (const nodes of [1, 2, 3]) {
  const env = { SHOAL_PART_SIZE_MIN: '1B' }
  const shoal = await Shoal.start({ nodes, env, basePort: portOf(values['base-port']) })
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    await clients[0]!.must({ method: 'PUT', bucket })
    const startedMs = performance.now()
    await upload(clients[0]!)
    const uploadedS = (performance.now() - startedMs) / 1_000
    const took: string[] = []
    for (const client of clients) took.push((await read(client, digest)).toFixed(0))
    if (nodes === 3) {
      await shoal.killNode(2)
      took.push(`${(await read(clients[0]!, digest)).toFixed(0)} with one node down`)
    }
    console.log(
      `${nodes} node(s): ${parts} parts of ${partBytes} bytes in ${uploadedS.toFixed(1)} s, ` +
        `GET of the whole through each node in ${took.join(', ')} ms`,
    )
    for (const client of clients) client.close()
  } finally {
    await shoal.close()
  }
}
