/**
 * Whole requests with generated bodies, through the gate and into a store: what is refused changes nothing,
 * whatever it is refused for, and nothing is answered by an error of the node's own.
 */

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { GatewayMetrics } from '../../gateway/admin/metrics.ts'
import { MemoryBackend } from '../../gateway/memory/memory-backend.ts'
import { createGateway } from '../../gateway/server.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../gateway/testing/requests.ts'
import { signHeader, TEST_NOW_MS } from '../../gateway/testing/signer.ts'
import { randomOf, type SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { damaged, noise, rearranged } from './damage.ts'
import type { Subject } from './subject.ts'

/** Requests that change something, and whose bodies they carry. */
interface Target {
  readonly subject: string
  readonly method: 'PUT' | 'POST'
  readonly path: string
  /** When it is absent, the body's root element says which. */
  readonly query?: readonly (readonly [string, string])[]
}

const TARGETS: readonly Target[] = [
  { subject: 'aws-chunked', method: 'PUT', path: '/bucket/key' },
  { subject: 'bucket policies', method: 'PUT', path: '/bucket', query: [['policy', '']] },
  { subject: 'lists of parts', method: 'POST', path: '/bucket/key', query: [['uploadId', 'none']] },
  { subject: 'XML', method: 'PUT', path: '/bucket' },
]

/** The sub-resource of each document; DeleteObjects is the one that is posted. */
const SUB_RESOURCES: Readonly<Record<string, string>> = {
  LifecycleConfiguration: 'lifecycle',
  ServerSideEncryptionConfiguration: 'encryption',
  VersioningConfiguration: 'versioning',
  PublicAccessBlockConfiguration: 'publicAccessBlock',
  Delete: 'delete',
}

/** The operations that change a store. */
const CHANGES: ReadonlySet<string> = new Set([
  'abortUpload',
  'changeBucket',
  'completeUpload',
  'createBucket',
  'createUpload',
  'deleteBucket',
  'deleteObject',
  'changeObject',
  'renameObject',
  'putObject',
  'putPart',
])

export interface StoredRun {
  readonly inputs: number
  /** How often each status was answered. */
  readonly statuses: ReadonlyMap<number, number>
  /** What went wrong first. */
  readonly fault: string | undefined
}

export async function runRequests(
  subjects: readonly Subject[],
  { inputs, seed }: { readonly inputs: number; readonly seed: number },
): Promise<StoredRun> {
  const random = randomOf(seed)
  const counter = { changes: 0 }
  const gateway = gatewayOver(counter)
  await gateway.handleS3(fakeRequest(signHeader({ method: 'PUT', path: '/bucket' }).message))
  const statuses = new Map<number, number>()
  for (let input = 0; input < inputs; input++) {
    const drawn = random.pick(TARGETS)
    const body = bodyFor(drawn, subjects, random)
    const target = aimed(drawn, body)
    counter.changes = 0
    const { status } = await gateway.handleS3(fakeRequest(messageOf(target, body)))
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    const why = wrong(target, status, counter.changes)
    if (why !== undefined) {
      const shown = JSON.stringify(body.slice(0, 1_000))
      return {
        inputs: input + 1,
        statuses,
        fault: `${target.path} ${target.subject}: ${why}: ${shown}`,
      }
    }
  }
  return { inputs, statuses, fault: undefined }
}

function aimed(target: Target, body: string): Target {
  if (target.subject !== 'XML') return target
  const name = SUB_RESOURCES[/<([A-Z][A-Za-z]+)/.exec(body)?.[1] ?? ''] ?? 'lifecycle'
  return { ...target, method: name === 'delete' ? 'POST' : 'PUT', query: [[name, '']] }
}

function wrong(target: Target, status: number, changes: number): string | undefined {
  if (status >= 500 && status !== 501) return `answered ${status}`
  if (status >= 400 && changes > 0) return `answered ${status}, and changed something`
  // DeleteObjects answers 200 for each key that it could not delete.
  if (status < 400 && changes === 0 && target.method !== 'POST') return `${status} for nothing`
  return undefined
}

function gatewayOver(counter: { changes: number }) {
  const nowMs = (): number => TEST_NOW_MS
  const memory = new MemoryBackend({ credentials: [EXAMPLE_CREDENTIAL], nowMs })
  const backend = new Proxy(memory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...given: unknown[]): Promise<unknown> => {
        const result: unknown = await (value as (...given: unknown[]) => unknown).apply(
          target,
          given,
        )
        if (CHANGES.has(String(name))) counter.changes++
        return result
      }
    },
  })
  return createGateway({
    backend,
    region: 'us-east-1',
    hostSuffixes: [],
    clock: {
      nowMs,
      monotonicMs: () => 0,
      after(delayMs, run) {
        if (delayMs === 0) setImmediate(run)
        return () => {}
      },
    },
    randomBytes: (length) => new Uint8Array(length),
    metrics: new GatewayMetrics(),
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
}

function bodyFor(target: Target, subjects: readonly Subject[], random: SmallRandom): string {
  const subject = subjects.find(({ name }) => name === target.subject)
  if (subject === undefined) throw new Error(`no parser is named ${target.subject}`)
  const valid = (): string => fitting(subject.valid(random))
  const roll = random.below(10)
  if (roll < 3) return valid()
  if (roll < 6) return rearranged(valid(), valid, subject.pieces, random)
  return roll < 9 ? damaged(valid(), valid, random) : noise(random)
}

/** A trailer says what is right for its data, and a policy speaks of the bucket that gets it. */
function fitting(text: string): string {
  const data = [...text.matchAll(/[0-9a-f]+\r\n([^\r]+)\r\n/g)].map(([, chunk = '']) => chunk)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(data.join('')))
  return text
    .replace('AAAAAA==', sum.toString('base64'))
    .replaceAll('arn:aws:s3:::b/', 'arn:aws:s3:::bucket/')
}

/** Signed, so that the body is what is judged. */
function messageOf({ subject, method, path, query = [] }: Target, text: string) {
  const isChunked = subject === 'aws-chunked'
  const [length = ''] = text.split('\n', 1)
  const body = Buffer.from(
    isChunked ? text.slice(length.length + 1) : text,
    isChunked ? 'latin1' : 'utf8',
  )
  const framing: Record<string, string> = isChunked
    ? {
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': /^\d{1,15}$/.test(length) ? length : '0',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      }
    : { 'content-md5': createHash('md5').update(body).digest('base64') }
  const headers = { ...framing, 'content-length': String(body.length) }
  return signHeader({ method, path, query, headers, body: [body] }).message
}
