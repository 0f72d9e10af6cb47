/**
 * `node sim/e2e/versions.ts [--versions 10000]`
 *
 * Versioning from enabling to restore by aws-cli and AWS's SDK through three gateways, of which one is killed
 * with -9 midway; rclone reads old versions with --s3-versions. Then thousands of versions of one key: what
 * the last PUTs cost in CPU time against the first, and a listing that pages through all of them.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { cpuMs } from '../../bench/harness/proc.ts'
import { runCommand } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import { rcloneEnvironment } from './clients/rclone.ts'
import { failureOf, getBytes, sdkClient } from './clients/sdk/common.ts'
import { Context, equal } from './suite.ts'

const { values } = parseArgs({ options: { versions: { type: 'string', default: '10000' } } })
const wanted = Number(values.versions)

interface ListedVersions {
  readonly Versions?: readonly { readonly VersionId: string; readonly IsLatest: boolean }[]
  readonly DeleteMarkers?: readonly { readonly VersionId: string; readonly IsLatest: boolean }[]
}

const CLI_BUCKET = 'versions-cli'

/** The path of a file with this text. */
function bodyFile({ scratch }: Context, text: string): string {
  const path = join(scratch, 'body')
  writeFileSync(path, text)
  return path
}

async function byCli(shoal: Shoal, context: Context): Promise<void> {
  const env = awsEnvironment(context)
  let alive = [0, 1, 2]
  let turn = 0
  const api = async (...args: string[]): Promise<Record<string, unknown>> => {
    const endpoint = context.endpoint(alive[turn++ % alive.length] ?? 0)
    const command = ['--endpoint-url', endpoint, 's3api', ...args, '--output', 'json']
    const { stdout } = await runCommand('aws', command, { env, timeoutMs: 60_000 })
    return stdout.trim() === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)
  }
  const at = ['--bucket', CLI_BUCKET, '--key', 'report.txt']
  const file = (text: string): string => bodyFile(context, text)
  const put = async (text: string): Promise<string> =>
    String((await api('put-object', ...at, '--body', file(text)))['VersionId'])
  const get = async (...more: string[]): Promise<string> => {
    const path = join(context.scratch, 'got')
    await api('get-object', ...at, ...more, path)
    return readFileSync(path, 'utf8')
  }

  await api('create-bucket', '--bucket', CLI_BUCKET)
  await api('put-object', ...at, '--body', file('before versioning'))
  const enabled = ['--versioning-configuration', 'Status=Enabled']
  await api('put-bucket-versioning', '--bucket', CLI_BUCKET, ...enabled)
  equal((await api('get-bucket-versioning', '--bucket', CLI_BUCKET))['Status'], 'Enabled', 'status')
  const first = await put('one')
  const second = await put('two')
  await shoal.killNode(1)
  alive = [0, 2]
  const third = await put('three')
  equal(new Set([first, second, third, 'null']).size, 4, 'versions of their own')
  equal(await get('--version-id', first), 'one', 'an old version')
  equal(await get('--version-id', 'null'), 'before versioning', 'the null version')
  const gone = await api('delete-object', ...at)
  equal(gone['DeleteMarker'], true, 'a delete makes a marker')
  const listed = (await api(
    'list-object-versions',
    '--bucket',
    CLI_BUCKET,
  )) as unknown as ListedVersions
  equal(
    listed.Versions?.map(({ VersionId }) => VersionId),
    [third, second, first, 'null'],
    'newest first',
  )
  equal(listed.DeleteMarkers?.[0]?.IsLatest, true, 'the marker is the latest')
  await api('delete-object', ...at, '--version-id', String(gone['VersionId']))
  equal(await get(), 'three', 'restored by deleting the marker')
  const source = `${CLI_BUCKET}/report.txt?versionId=${first}`
  await api('copy-object', ...at, '--copy-source', source)
  equal(await get(), 'one', 'restored by copying an old version')
  await shoal.startNode(1)
  alive = [1]
  equal(await get(), 'one', 'through the node that was away')
  await api(
    'put-bucket-versioning',
    '--bucket',
    CLI_BUCKET,
    '--versioning-configuration',
    'Status=Suspended',
  )
  alive = [0, 1, 2]
  await put('suspended')
  equal(await get('--version-id', 'null'), 'suspended', 'suspended writes the null version')
  equal(await get('--version-id', second), 'two', 'the others stay')
  console.log('aws-cli: enabled to restored through three gateways, node 1 killed and back')
}

/** rclone reads all versions that `byCli` has made. */
async function byRclone(context: Context): Promise<void> {
  const rclone = async (...args: string[]): Promise<string> => {
    const more = rcloneEnvironment(context, context.nextEndpoint())
    return (await runCommand('rclone', args, { env: more, timeoutMs: 120_000 })).stdout
  }
  const names = (await rclone('lsf', `shoal:${CLI_BUCKET}`, '--s3-versions')).trim().split('\n')
  if (names.length < 5) throw new Error(`rclone --s3-versions lists ${names.join(', ')}`)
  const texts = await Promise.all(
    names.map((name) => rclone('cat', `shoal:${CLI_BUCKET}/${name}`, '--s3-versions')),
  )
  for (const text of ['one', 'two', 'three', 'suspended']) {
    if (!texts.includes(text)) throw new Error(`rclone does not read the version "${text}"`)
  }
  console.log(`rclone --s3-versions: ${names.length} versions listed and read`)
}

async function bySdk(context: Context): Promise<void> {
  const clients = [0, 1, 2].map((index) => sdkClient(context, index))
  const Bucket = 'versions-sdk'
  const Key = 'a key/ünï+code'
  await context.makeBucket(Bucket)
  const [a, b, c] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]]
  await a.send(
    new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
  )
  const ids: string[] = []
  for (const [i, client] of [b, c, a].entries()) {
    const Body = i === 1 ? new Uint8Array(3 << 20).fill(7) : `version ${i}`
    const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body }))
    ids.push(String(VersionId))
  }
  const { VersionId, DeleteMarker } = await b.send(new DeleteObjectCommand({ Bucket, Key }))
  equal(DeleteMarker, true, 'SDK: a marker')
  equal((await failureOf(getBytes(c, Bucket, Key))).status, 404, 'SDK: GET behind a marker')
  const named = c.send(new GetObjectCommand({ Bucket, Key, VersionId }))
  equal((await failureOf(named)).status, 405, 'SDK: GET of the marker itself')
  const CopySource = `${Bucket}/${encodeURIComponent(Key)}?versionId=${ids[1]}`
  await a.send(new CopyObjectCommand({ Bucket, Key, CopySource }))
  equal((await getBytes(b, Bucket, Key)).length, 3 << 20, 'SDK: restored by copy')
  const stale = a.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*' }))
  equal((await failureOf(stale)).status, 412, 'SDK: conditional write on a versioned key')
  let count = 0
  let KeyMarker: string | undefined
  let VersionIdMarker: string | undefined
  do {
    const page = await c.send(
      new ListObjectVersionsCommand({ Bucket, MaxKeys: 2, KeyMarker, VersionIdMarker }),
    )
    count += (page.Versions?.length ?? 0) + (page.DeleteMarkers?.length ?? 0)
    KeyMarker = page.NextKeyMarker
    VersionIdMarker = page.NextVersionIdMarker
  } while (KeyMarker !== undefined)
  equal(count, 5, 'SDK: versions and markers, two a page')
  for (const client of clients) client.destroy()
  console.log('SDK: versions, marker, restore, conditions, pages of two')
}

/** CPU of all nodes for `count` PUTs of 1 KiB one after the other, milliseconds a PUT. */
async function costOf(shoal: Shoal, client: RawClient, count: number): Promise<number> {
  const total = (): number => shoal.pids().reduce((sum, pid) => sum + cpuMs(pid), 0)
  const before = total()
  for (let i = 0; i < count; i++) {
    const body = Buffer.alloc(1024, i)
    await client.must({ method: 'PUT', bucket: 'many', key: 'one key', body })
  }
  return (total() - before) / count
}

async function manyVersions(shoal: Shoal): Promise<void> {
  const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
  await client.must({ method: 'PUT', bucket: 'many' })
  const xml = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  const query = { versioning: '' }
  await client.must({ method: 'PUT', bucket: 'many', query, body: Buffer.from(xml) })
  // Code has to be warm before its cost says anything.
  await client.must({ method: 'PUT', bucket: 'warm' })
  for (let i = 0; i < 1_500; i++) {
    await client.must({ method: 'PUT', bucket: 'warm', key: 'key', body: Buffer.alloc(1024) })
  }
  const sample = Math.min(500, Math.floor(wanted / 3))
  const first = await costOf(shoal, client, sample)
  await costOf(shoal, client, wanted - 2 * sample)
  const last = await costOf(shoal, client, sample)
  const ratio = last / first
  console.log(
    `${wanted} versions of one key: first ${sample} PUTs ${first.toFixed(2)} ms of CPU each, ` +
      `last ${sample} ${last.toFixed(2)} ms: ${ratio.toFixed(2)} times`,
  )
  const start = performance.now()
  const seen = new Set<string>()
  let pages = 0
  let marker: Record<string, string> = {}
  for (;;) {
    const list: Record<string, string> = { versions: '', 'max-keys': '1000', ...marker }
    const page = await client.must({ method: 'GET', bucket: 'many', query: list })
    const text = page.body.toString()
    for (const [, id = ''] of text.matchAll(/<VersionId>([^<]+)<\/VersionId>/g)) {
      if (seen.has(id)) throw new Error(`version ${id} is listed twice`)
      seen.add(id)
    }
    pages++
    const key = /<NextKeyMarker>([^<]*)</.exec(text)?.[1]
    const id = /<NextVersionIdMarker>([^<]*)</.exec(text)?.[1]
    if (key === undefined) break
    marker = { 'key-marker': key, ...(id === undefined ? {} : { 'version-id-marker': id }) }
  }
  const tookMs = Math.round(performance.now() - start)
  console.log(`listed ${seen.size} versions in ${pages} pages, ${tookMs} ms`)
  equal(seen.size, wanted, 'versions listed')
  client.close()
  if (ratio > 1.5) throw new Error('a PUT costs more with many versions')
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-versions-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const shoal = await Shoal.start({ nodes: 3 })
  try {
    const context = new Context(shoal.endpoints, shoal.credentials, scratch)
    await byCli(shoal, context)
    await byRclone(context)
    await bySdk(context)
    await manyVersions(shoal)
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
