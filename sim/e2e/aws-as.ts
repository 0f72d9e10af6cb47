/** Commands of aws-cli as one caller: for the run of identities (iam.ts). */

import { runCommand } from '../../bench/harness/process.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import type { Context } from './suite.ts'

interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

type Json = Record<string, never>

/** `aws` with these credentials, at each node in turn. */
export class AwsAs {
  readonly #context: Context
  readonly keys: AwsKeys
  #turn = 0

  constructor(context: Context, keys: AwsKeys) {
    this.#context = context
    this.keys = keys
  }

  async run(...args: string[]): Promise<Json> {
    const { sessionToken } = this.keys
    const env = {
      ...awsEnvironment(this.#context),
      AWS_ACCESS_KEY_ID: this.keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.keys.secretAccessKey,
      ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
      AWS_MAX_ATTEMPTS: '1',
    }
    const endpoint = ['--endpoint-url', this.#context.endpoint(this.#turn++)]
    const command = [...endpoint, ...args, '--output', 'json']
    const { stdout } = await runCommand('aws', command, { env, timeoutMs: 60_000 })
    return stdout.trim() === '' ? {} : (JSON.parse(stdout) as Json)
  }

  /** The error code that it must end with. */
  async refused(...args: string[]): Promise<string> {
    try {
      await this.run(...args)
    } catch (error) {
      const code = /\((\w+)\)|error occurred \((\d+)\)/.exec(String(error))
      return code?.[1] ?? code?.[2] ?? String(error)
    }
    throw new Error(`aws ${args.join(' ')} was allowed`)
  }
}
