/** What every client suite is given, and how it reports: step by step, going on after a failure. */

import { join } from 'node:path'
import { RawClient } from '../../bench/harness/s3.ts'
import { reason } from '../../bench/harness/process.ts'
import type { Credentials } from '../../bench/harness/sign.ts'

export interface Suite {
  readonly name: string
  /** The program that must be installed; absent for libraries of this checkout. */
  readonly program?: string
  /**
   * Programs of a language that this suite's client is written in. Where one is missing the suite is passed over,
   * with --require-all too; where they are there, the suite must pass.
   */
  readonly toolchain?: readonly string[]
  /** A device that the machine must have, and some don't; passed over like a language. */
  readonly device?: string
  /**
   * Given where what the client needs is large or takes minutes to build: whether it is there already. Where it is not, the
   * suite runs only when it is named, or with --all.
   */
  readonly prepared?: () => boolean
  readonly run: (context: Context) => Promise<void>
}

export interface StepResult {
  readonly title: string
  readonly ms: number
  readonly failure?: string
}

export class Context {
  readonly endpoints: readonly string[]
  readonly credentials: Credentials
  /** An empty directory of this suite's own. */
  readonly scratch: string
  readonly results: StepResult[] = []
  readonly #only: RegExp | undefined
  #turn = 0

  constructor(
    endpoints: readonly string[],
    credentials: Credentials,
    scratch: string,
    only?: RegExp,
  ) {
    this.endpoints = endpoints
    this.credentials = credentials
    this.scratch = scratch
    this.#only = only
  }

  /** For clients that take AWS's variables: the keys and the region, without the caller's own profile. */
  get environment(): Readonly<Record<string, string>> {
    return {
      AWS_ACCESS_KEY_ID: this.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: join(this.scratch, 'no-config'),
      AWS_SHARED_CREDENTIALS_FILE: join(this.scratch, 'no-credentials'),
    }
  }

  /** The gateways in turn, so that what one wrote another reads. */
  nextEndpoint(): string {
    return this.endpoint(this.#turn++)
  }

  endpoint(index: number): string {
    return this.endpoints[index % this.endpoints.length] ?? ''
  }

  /** Runs one step; its failure is kept, and the steps after it run all the same. */
  async step(title: string, work: () => Promise<void>): Promise<void> {
    if (this.#only !== undefined && !this.#only.test(title)) return
    const start = performance.now()
    let failure: string | undefined
    try {
      await work()
    } catch (error) {
      failure = reason(error)
    }
    const ms = Math.round(performance.now() - start)
    this.results.push({ title, ms, ...(failure === undefined ? {} : { failure }) })
    console.log(`  ${failure === undefined ? 'ok  ' : 'FAIL'} ${title} (${ms} ms)`)
    if (failure !== undefined) console.log(failure.replace(/^/gm, '       '))
  }

  /** Makes a bucket by the raw client, for suites whose tool is not to be tested on that. */
  async makeBucket(bucket: string): Promise<void> {
    const client = new RawClient(this.endpoint(0), this.credentials)
    try {
      await client.must({ method: 'PUT', bucket })
    } finally {
      client.close()
    }
  }
}

export function equal(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: ${a ?? 'undefined'} instead of ${b ?? 'undefined'}`)
}

export function sameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return
  let at = 0
  while (at < expected.length && actual[at] === expected[at]) at++
  throw new Error(`${what}: ${actual.length} bytes, expected ${expected.length}, differ at ${at}`)
}
