/**
 * Sequences of S3 requests against the model. Each sequence uses keys of its own in one of three shared buckets, or a
 * bucket of its own, so that many sequences run at once without an effect on each other.
 *
 * A request without an answer, or with a 5xx, may have happened or not (P4). Reads are sent again, through another
 * gateway. After such a write the key must hold what it held before or what was written; then the sequence ends.
 */

import { pauseMs } from '../../../bench/harness/process.ts'
import type { BenchRequest, S3Reply } from '../../../bench/harness/s3.ts'
import { bucketLife } from './bucket-sequence.ts'
import { randomOf, type SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import { pickAny } from './draws.ts'
import { listStep, listUploadsStep, listVersionsStep } from './list-steps.ts'
import { ModelBucket, type ModelVersioning } from './objects-model.ts'
import { copyStep, deleteManyStep, deleteStep, putStep, readStep } from './object-steps.ts'
import { differenceOf, type ModelStep } from './step.ts'
import { createUploadStep, goneUploadStep, uploadStep } from './upload-steps.ts'

/** Sends through some gateway. Rejects when no whole answer came. */
export type SendRequest = (request: BenchRequest) => Promise<S3Reply>

export interface Outcome {
  readonly steps: number
  /** It ended with a write that may have happened or not. */
  readonly isInDoubt: boolean
}

export const SHARED_BUCKETS: readonly (readonly [string, ModelVersioning])[] = [
  ['model-never', 'never'],
  ['model-enabled', 'Enabled'],
  ['model-suspended', 'Suspended'],
]

const STEPS = 12
const BUCKET_SEQUENCES_SHARE = 0.02
const TRIES = 120
const RETRY_PAUSE_MS = 250

/** Runs the sequence of this seed. Throws an error with all its steps when an answer is not the one of the model. */
export async function runSequence(seed: number, send: SendRequest): Promise<Outcome> {
  const random = randomOf(seed)
  const run = new Run(seed, send)
  if (random.chance(BUCKET_SEQUENCES_SHARE)) {
    const steps = bucketLife(random, `model-own-${seed}`)
    for (const step of steps) if (!(await run.take(step))) return run.outcome(true)
    return run.outcome(false)
  }
  const [name, versioning] = random.pick(SHARED_BUCKETS as [(typeof SHARED_BUCKETS)[number]])
  const bucket = new ModelBucket(name, versioning)
  const prefix = `s${seed}/`
  const keys = ['a', 'b/c', 'b/ü n+k'].map((key) => prefix + key) as [string, string, string]
  for (let i = 0; i < STEPS; i++) {
    const step = drawStep(random, bucket, prefix, keys, run)
    if (!(await run.take(step, bucket))) return run.outcome(true)
  }
  for (const step of [listVersionsStep(random, bucket, prefix), listUploadsStep(bucket, prefix)]) {
    await run.take(step)
  }
  return run.outcome(false)
}

function drawStep(
  random: SmallRandom,
  bucket: ModelBucket,
  prefix: string,
  keys: [string, string, string],
  run: Run,
): ModelStep {
  const target = { bucket, key: random.pick(keys) }
  const open = [...bucket.uploads]
  const which = random.below(20)
  if (which < 6) return putStep(random, target)
  if (which < 10) return readStep(random, target)
  if (which < 12) return deleteStep(random, target)
  if (which === 12) return copyStep(random, target, random.pick(keys))
  if (which === 13) return deleteManyStep(random, target, `${prefix}none`)
  if (which === 14) return listStep(random, bucket, prefix)
  if (which === 15) return listVersionsStep(random, bucket, prefix)
  const found = pickAny(random, open)
  if (found !== undefined) {
    run.uploads.set(found[0], found[1].key)
    return uploadStep(random, bucket, ...found)
  }
  const gone = pickAny(random, [...run.uploads])
  if (gone !== undefined && random.chance(0.3)) return goneUploadStep(bucket, gone[1], gone[0])
  return createUploadStep(random, bucket, target.key)
}

class Run {
  /** Keys of all uploads that were used, by id. */
  readonly uploads = new Map<string, string>()
  readonly #seed: number
  readonly #send: SendRequest
  readonly #lines: string[] = []

  constructor(seed: number, send: SendRequest) {
    this.#seed = seed
    this.#send = send
  }

  outcome(isInDoubt: boolean): Outcome {
    return { steps: this.#lines.length, isInDoubt }
  }

  /** False when it is in doubt whether the step has happened. */
  async take(step: ModelStep, bucket?: ModelBucket): Promise<boolean> {
    const { name, request } = step
    const { method, key = '', query = {}, headers = {} } = request
    this.#lines.push(
      `${name} ${method} ${request.bucket}/${key} ${JSON.stringify(query)} ${JSON.stringify(headers)} → ${step.status}`,
    )
    const isRead = method === 'GET' || method === 'HEAD'
    const reply = await this.#answer(request, isRead)
    if (reply === undefined) {
      if (isRead) throw this.#failure('no answer to a read')
      if (bucket !== undefined && step.apply !== undefined) await this.#settle(step, bucket)
      return false
    }
    const difference = differenceOf(step, reply)
    if (difference !== undefined) throw this.#failure(difference)
    if (reply.status < 300) step.apply?.(reply)
    return true
  }

  /**
   * Undefined when no answer says what happened. A connection that was refused has carried nothing, so the request is
   * sent again whatever it is.
   */
  async #answer(request: BenchRequest, isRead: boolean): Promise<S3Reply | undefined> {
    for (let left = TRIES; left > 0; left--) {
      let isSure = false
      try {
        const reply = await this.#send(request)
        if (reply.status < 500) return reply
      } catch (error) {
        isSure = (error as { code?: unknown }).code === 'ECONNREFUSED'
      }
      if (!isRead && !isSure) return undefined
      await pauseMs(RETRY_PAUSE_MS)
    }
    return undefined
  }

  /** After a write in doubt: reading the key shows what it held before, or the write. */
  async #settle(step: ModelStep, bucket: ModelBucket): Promise<void> {
    const { key } = step.request
    if (key === undefined) return
    const before = bucket.current(key)
    const reply = { status: step.status, headers: {}, body: Buffer.alloc(0) }
    step.apply?.(reply)
    const after = bucket.current(key)
    const found = await this.#answer({ bucket: bucket.name, key, method: 'GET' }, true)
    if (found === undefined) throw this.#failure('no answer to a read')
    const isOne = [before, after].some((version) =>
      version === undefined
        ? found.status === 404
        : found.status === 200 && version.body.equals(found.body),
    )
    if (!isOne)
      throw this.#failure(`after a write in doubt: ${found.status}, ${found.body.length} bytes`)
  }

  #failure(why: string): Error {
    return new Error(`sequence ${this.#seed}: ${why}\n${this.#lines.join('\n')}`)
  }
}
