/**
 * `node sim/e2e/large.ts [--size-mib 5120] [--rss-mib 400]`, with 64 MiB at least, because a
 * smaller upload may end before it is killed.
 *
 * One large file through three nodes: aws-cli uploads it in parts and another gateway gives the same bytes,
 * while no node's memory passes its bound; an upload whose client is killed is resumed, from ListParts, by
 * another client through another gateway.
 */

import {
  CompleteMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { CompletedPart, Part, S3Client } from '@aws-sdk/client-s3'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { memory } from '../../bench/harness/proc.ts'
import { Child, runCommand, pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { eachLimited } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import { sdkClient } from './clients/sdk/common.ts'
import { seededBytes, sha256File } from './files.ts'
import { Context } from './suite.ts'

const { values } = parseArgs({
  options: {
    'size-mib': { type: 'string', default: '5120' },
    'rss-mib': { type: 'string', default: '400' },
  },
})
const MEBI = 2 ** 20
const sizeMib = Number(values['size-mib'])
if (!(sizeMib >= 64)) throw new Error('--size-mib: 64 at least')
const bucket = 'large'
/** aws-cli's own default. */
const partBytes = 8 << 20

async function writeFile(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let mebi = 0; mebi < sizeMib; mebi++) await file.write(seededBytes(mebi + 1, 1 << 20))
  } finally {
    await file.close()
  }
}

/** Samples the nodes' memory until it is stopped; the kernel's own high-water mark is in it. */
function watchMemory(shoal: Shoal): { max: () => number; stop: () => void } {
  let max = 0
  const sample = (): void => {
    for (const pid of shoal.pids()) max = Math.max(max, memory(pid).rssBytesMax)
  }
  const timer = setInterval(sample, 500)
  return {
    max: () => {
      sample()
      return max
    },
    stop: () => clearInterval(timer),
  }
}

async function listParts(client: S3Client, Key: string, UploadId: string): Promise<Part[]> {
  const parts: Part[] = []
  let marker: string | undefined
  do {
    const from = marker === undefined ? {} : { PartNumberMarker: marker }
    const page = await client.send(new ListPartsCommand({ Bucket: bucket, Key, UploadId, ...from }))
    parts.push(...(page.Parts ?? []))
    marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined
  } while (marker !== undefined)
  return parts
}

/** Uploads what ListParts does not show, and completes. Returns how many parts were there already. */
async function resume(client: S3Client, Key: string, file: string): Promise<number> {
  const listed = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  const UploadId = (listed.Uploads ?? []).find((upload) => upload.Key === Key)?.UploadId
  if (UploadId === undefined) throw new Error('the interrupted upload is not listed')
  const there = new Map<number, Part>()
  for (const part of await listParts(client, Key, UploadId)) {
    if (part.Size === partBytes && part.PartNumber !== undefined) there.set(part.PartNumber, part)
  }
  const count = Math.ceil((sizeMib * MEBI) / partBytes)
  const done: CompletedPart[] = [...there].map(([PartNumber, part]) => completed(PartNumber, part))
  const handle = await open(file, 'r')
  try {
    await eachLimited(count, 4, async (i) => {
      const PartNumber = i + 1
      if (there.has(PartNumber)) return
      const length = Math.min(partBytes, sizeMib * MEBI - i * partBytes)
      const Body = Buffer.alloc(length)
      await handle.read(Body, 0, length, i * partBytes)
      const input = { Bucket: bucket, Key, UploadId, PartNumber, Body }
      done.push(completed(PartNumber, await client.send(new UploadPartCommand(input))))
    })
  } finally {
    await handle.close()
  }
  const Parts = done.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0))
  const input = { Bucket: bucket, Key, UploadId, MultipartUpload: { Parts } }
  await client.send(new CompleteMultipartUploadCommand(input))
  return there.size
}

/** aws-cli asks for a checksum with each part; completion must name those that there are. */
function completed(PartNumber: number, part: Omit<Part, 'PartNumber'>): CompletedPart {
  const { ETag, ChecksumCRC32, ChecksumCRC64NVME } = part
  return {
    PartNumber,
    ETag: ETag ?? '',
    ...(ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 }),
    ...(ChecksumCRC64NVME === undefined ? {} : { ChecksumCRC64NVME }),
  }
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-large-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const file = join(scratch, 'file')
  await writeFile(file)
  const digest = await sha256File(file)
  const shoal = await Shoal.start({ nodes: 3 })
  const watch = watchMemory(shoal)
  try {
    const context = new Context(shoal.endpoints, shoal.credentials, scratch)
    await context.makeBucket(bucket)
    const env = awsEnvironment(context)
    const aws = async (index: number, command: string): Promise<string> => {
      const script = `aws --endpoint-url ${context.endpoint(index)} ${command}`
      return (
        await runCommand('bash', ['-o', 'pipefail', '-c', script], { env, timeoutMs: 3_600_000 })
      ).stdout
    }
    const check = async (index: number, key: string): Promise<void> => {
      const start = performance.now()
      const sum = await aws(index, `s3 cp --only-show-errors s3://${bucket}/${key} - | sha256sum`)
      if (!sum.startsWith(digest)) throw new Error(`${key} through node ${index}: bytes differ`)
      console.log(`${key} through node ${index}: same bytes, ${rate(start)}`)
    }

    const start = performance.now()
    await aws(0, `s3 cp --only-show-errors '${file}' s3://${bucket}/whole`)
    console.log(`upload by aws-cli: ${rate(start)}`)
    await check(1, 'whole')

    const args = ['--endpoint-url', context.endpoint(0), 's3', 'cp', file, `s3://${bucket}/resumed`]
    const upload = new Child('aws', args, { env })
    const client = sdkClient(context, 2)
    await untilTrue(
      'a third of the parts',
      async () => {
        const page = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
        const UploadId = page.Uploads?.[0]?.UploadId
        if (UploadId === undefined) return undefined
        const parts = await listParts(client, 'resumed', UploadId)
        return parts.length * partBytes > (sizeMib * MEBI) / 3 ? true : undefined
      },
      1_800_000,
      50,
    )
    await upload.kill()
    await pauseMs(500)
    const kept = await resume(client, 'resumed', file)
    if (kept === 0) throw new Error('no part was kept: nothing was resumed')
    console.log(`client killed and resumed by another: ${kept} parts were there`)
    client.destroy()
    await check(2, 'resumed')

    const mebi = watch.max() / (1 << 20)
    console.log(`most memory of a node: ${mebi.toFixed(0)} MiB (bound ${values['rss-mib']})`)
    if (mebi > Number(values['rss-mib'])) throw new Error('above the bound of memory')
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    watch.stop()
    await shoal.close()
  }
}

function rate(startMs: number): string {
  const seconds = (performance.now() - startMs) / 1000
  return `${seconds.toFixed(1)} s, ${(sizeMib / seconds).toFixed(0)} MiB/s`
}

await main()
