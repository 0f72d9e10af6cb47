/** What the steps of the run of identities share (iam.ts): the cluster, its first account, and some commands. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Shoal } from '../../bench/harness/shoal.ts'
import { AwsAs as Aws } from './aws-as.ts'
import { Context } from './suite.ts'

export const allowing = (action: string | string[], resource: string | string[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: action, Resource: resource }],
  })

/** The cluster, its first account, and the commands that several steps use. */
export class People {
  readonly shoal: Shoal
  readonly context: Context
  readonly root: Aws
  readonly #body: string
  readonly #got: string

  constructor(shoal: Shoal, scratch: string) {
    this.shoal = shoal
    this.context = new Context(shoal.endpoints, shoal.credentials, scratch)
    this.root = new Aws(this.context, shoal.credentials)
    this.#body = join(scratch, 'body')
    this.#got = join(scratch, 'got')
    writeFileSync(this.#body, 'hello')
  }

  put(bucket: string, key: string): string[] {
    return ['s3api', 'put-object', '--bucket', bucket, '--key', key, '--body', this.#body]
  }

  get(bucket: string, key: string): string[] {
    return ['s3api', 'get-object', '--bucket', bucket, '--key', key, this.#got]
  }

  /** A new access key of the user. */
  async keyOf(by: Aws, user: string): Promise<Aws> {
    const { AccessKey } = await by.run('iam', 'create-access-key', '--user-name', user)
    const { AccessKeyId, SecretAccessKey } = AccessKey as unknown as Record<string, string>
    return new Aws(this.context, {
      accessKeyId: String(AccessKeyId),
      secretAccessKey: String(SecretAccessKey),
    })
  }
}

/** A change counts on every node a second later. */
export const untilItCounts = (): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, 1_100))
