/** A registry of container images (distribution) that keeps its blobs in Shoal by its s3 driver. */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, runCommand, untilTrue } from '../../../bench/harness/process.ts'
import { freeBasePort } from '../../../node/testing/free-ports.ts'
import { seededBytes } from '../files.ts'
import { equal, sameBytes } from '../suite.ts'
import type { Context } from '../suite.ts'
import { builtClient } from './built.ts'

const bucket = 'registry-bucket'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const layer = seededBytes(41, 25 << 20)
const settings = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}')
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { ...referTo(settings), mediaType: 'application/vnd.oci.image.config.v1+json' },
    layers: [{ ...referTo(layer), mediaType: 'application/vnd.oci.image.layer.v1.tar' }],
  }),
)

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function referTo(bytes: Uint8Array): { size: number; digest: string } {
  return { size: bytes.length, digest: digestOf(bytes) }
}

/** JSON is YAML too. */
function writeConfiguration(context: Context, port: number): string {
  const file = join(context.scratch, `registry-${port}.yml`)
  const endpoint = context.nextEndpoint()
  const s3 = {
    accesskey: context.credentials.accessKeyId,
    secretkey: context.credentials.secretAccessKey,
    region: 'us-east-1',
    regionendpoint: endpoint,
    forcepathstyle: true,
    secure: endpoint.startsWith('https:'),
    bucket,
    rootdirectory: '/images',
    chunksize: 5 << 20,
  }
  const http = { addr: `127.0.0.1:${port}`, secret: 'shared by both' }
  const storage = { s3, delete: { enabled: true } }
  writeFileSync(file, JSON.stringify({ version: 0.1, log: { level: 'warn' }, storage, http }))
  return file
}

/** Sends a request to a registry; redirects to the store are followed. */
async function ask(
  url: string,
  method: string,
  wanted: number,
  options: { readonly body?: Uint8Array; readonly type?: string } = {},
): Promise<Response> {
  const headers: Record<string, string> = { accept: MANIFEST }
  if (options.body !== undefined)
    headers['content-type'] = options.type ?? 'application/octet-stream'
  const body = options.body === undefined ? {} : { body: new Uint8Array(options.body) }
  const answer = await fetch(url, { method, headers, ...body, signal: AbortSignal.timeout(60_000) })
  if (answer.status !== wanted) {
    throw new Error(`${method} ${url}: ${answer.status}: ${await answer.text()}`)
  }
  return answer
}

async function bytesAt(url: string): Promise<Buffer> {
  return Buffer.from(await (await ask(url, 'GET', 200)).arrayBuffer())
}

/** Uploads a blob in pieces, as `docker push` does. */
async function push(origin: string, blob: Uint8Array, pieceBytes: number): Promise<void> {
  let answer = await ask(`${origin}/v2/an/image/blobs/uploads/`, 'POST', 202)
  const location = (): string => new URL(answer.headers.get('location') ?? '', origin).href
  for (let at = 0; at < blob.length; at += pieceBytes) {
    const body = blob.subarray(at, at + pieceBytes)
    answer = await ask(location(), 'PATCH', 202, { body })
  }
  await ask(`${location()}&digest=${digestOf(blob)}`, 'PUT', 201)
}

async function steps(context: Context, path: string): Promise<void> {
  await context.makeBucket(bucket)
  const port = await freeBasePort(1)
  const ports = [port, port + 1]
  const files = ports.map((each) => writeConfiguration(context, each))
  const env = { OTEL_TRACES_EXPORTER: 'none' }
  const registries = files.map((file) => new Child(path, ['serve', file], { env }))
  const [one = '', two = ''] = ports.map((each) => `http://127.0.0.1:${each}`)
  try {
    await imageSteps(context, one, two)
  } finally {
    for (const registry of registries) await registry.stop()
  }
  await context.step('garbage-collect: the blobs are gone', async () => {
    await runCommand(path, ['garbage-collect', files[0] ?? ''], { env })
    const again = new Child(path, ['serve', files[0] ?? ''], { env })
    try {
      await started(one)
      await ask(`${one}/v2/an/image/blobs/${digestOf(layer)}`, 'HEAD', 404)
    } finally {
      await again.stop()
    }
  })
}

async function started(origin: string): Promise<void> {
  await untilTrue('the registry', async () => ask(`${origin}/v2/`, 'GET', 200), 20_000)
}

/** Pushes through one registry, pulls through the other. */
async function imageSteps(context: Context, one: string, two: string): Promise<void> {
  await context.step('both registries start', async () => {
    await started(one)
    await started(two)
  })
  await context.step('push of a layer of 25 MiB in pieces, and of an image', async () => {
    await push(one, layer, 7 << 20)
    await push(one, settings, 1 << 20)
    const options = { body: manifest, type: MANIFEST }
    await ask(`${one}/v2/an/image/manifests/latest`, 'PUT', 201, options)
  })
  await context.step('pull by tag and digest through the other registry', async () => {
    const found = await ask(`${two}/v2/an/image/manifests/latest`, 'GET', 200)
    sameBytes(Buffer.from(await found.arrayBuffer()), manifest, 'manifest')
    equal(found.headers.get('docker-content-digest'), digestOf(manifest), 'digest')
    sameBytes(await bytesAt(`${two}/v2/an/image/blobs/${digestOf(layer)}`), layer, 'layer')
    sameBytes(await bytesAt(`${one}/v2/an/image/blobs/${digestOf(settings)}`), settings, 'settings')
  })
  await context.step('a blob is mounted into another repository, tags, catalogue', async () => {
    const from = `mount=${digestOf(layer)}&from=an/image`
    await ask(`${two}/v2/another/image/blobs/uploads/?${from}`, 'POST', 201)
    sameBytes(await bytesAt(`${one}/v2/another/image/blobs/${digestOf(layer)}`), layer, 'mounted')
    const tags = await (await ask(`${one}/v2/an/image/tags/list`, 'GET', 200)).json()
    equal(tags, { name: 'an/image', tags: ['latest'] }, 'tags')
    const catalogue = await (await ask(`${two}/v2/_catalog`, 'GET', 200)).json()
    // One that has no manifest is not listed.
    equal(catalogue, { repositories: ['an/image'] }, 'catalogue')
  })
  await context.step('delete of the image and of the mounted layer', async () => {
    await ask(`${one}/v2/an/image/manifests/${digestOf(manifest)}`, 'DELETE', 202)
    await ask(`${two}/v2/an/image/manifests/latest`, 'GET', 404)
    for (const name of ['an/image', 'another/image']) {
      await ask(`${two}/v2/${name}/blobs/${digestOf(layer)}`, 'DELETE', 202)
    }
  })
}

export const registry = builtClient(
  {
    name: 'registry',
    module: 'github.com/distribution/distribution/v3',
    version: 'v3.1.2',
    folder: 'cmd/registry',
  },
  steps,
)
