/**
 * The floor: a server that does only what cannot be left out, as fast as Node can. No
 * signatures, no metadata, no replicas: what Shoal reaches is given as a ratio to this, in one run.
 *
 *   small PUT   koa, receive, MD5 + SHA-256 + BLAKE3, append, flush in groups, answer
 *   small GET   koa, read, answer
 *   large PUT   node:http, MD5 + BLAKE3 as the bytes arrive, written as they arrive, one flush
 *   large GET   node:http, pooled 1 MiB buffers handed to res.write, no check
 *   LIST        koa, getRange of 1,000 rows of 180 bytes from LMDB on this thread, written as S3's XML
 *
 * Runs as a child: `node bench/floor.ts --port P --data DIR`; prints `floor small=URL large=URL`.
 * Small requests and lists go to P, large ones to P + 1.
 */

import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Blake3Hasher } from '@napi-rs/blake-hash'
import { createHash } from 'node:crypto'
import Koa from 'koa'
import { AppendFile } from './floor/append.ts'
import { getLarge, putLarge } from './floor/large.ts'
import { openListing } from './floor/listing.ts'

const { values } = parseArgs({
  options: { port: { type: 'string' }, data: { type: 'string' } },
})
const port = Number(values.port)
const data = values.data
if (data === undefined || !Number.isInteger(port)) throw new Error('--port and --data are needed')
mkdirSync(data, { recursive: true })

const log = await AppendFile.open(join(data, 'floor.log'))
const listing = await openListing(join(data, 'floor.mdb'))
const places = new Map<string, { offset: number; sizeBytes: number; etag: string }>()

async function receive(request: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

const app = new Koa()
app.use(async (context) => {
  const { path, method } = context
  if (method === 'PUT') {
    const body = await receive(context.req)
    const etag = createHash('md5').update(body).digest('hex')
    createHash('sha256').update(body).digest()
    new Blake3Hasher().update(body).digestBuffer()
    const offset = await log.append(body)
    places.set(path, { offset, sizeBytes: body.length, etag })
    context.set('ETag', `"${etag}"`)
    context.status = 200
    return
  }
  if (context.querystring.includes('list-type=2')) {
    context.type = 'application/xml'
    context.body = listing.page()
    return
  }
  const place = places.get(path)
  if (place === undefined) return
  context.set('ETag', `"${place.etag}"`)
  context.type = 'application/octet-stream'
  context.body = await log.read(place.offset, place.sizeBytes)
})
app.listen(port, '127.0.0.1')

const large = createServer((request, response) => {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  const work =
    request.method === 'PUT' ? putLarge(data, path, request, response) : getLarge(path, response)
  work.catch((error: unknown) => {
    console.error(error)
    response.destroy()
  })
})
large.listen(port + 1, '127.0.0.1', () => {
  console.log(`floor small=http://127.0.0.1:${port} large=http://127.0.0.1:${port + 1}`)
})
process.once('SIGTERM', () => process.exit(0))
