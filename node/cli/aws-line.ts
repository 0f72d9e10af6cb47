/** The aws-cli line that a new user pastes into a shell. */

import type { Config } from '../process/config.ts'
import type { RunningNode } from '../process/running-node.ts'

/** The text as one word of a POSIX shell, quoted only when needed. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * A line that makes a bucket when it is pasted into a shell. It contains the keys only when they are
 * printed at this start anyway; later it reads them from credentials.json. Undefined on nodes without
 * root credentials.
 *
 * @param credentialsPath where credentials.json is
 */
export function awsLine(
  node: Pick<RunningNode, 's3Url' | 'credentials'>,
  config: Pick<Config, 'region'>,
  credentialsPath: string,
): string | undefined {
  const { credentials, s3Url } = node
  if (credentials === undefined) return undefined
  const read = (field: string): string =>
    `"$(sed -n 's/.*"${field}": "\\(.*\\)".*/\\1/p' ${shellWord(credentialsPath)})"`
  const id = credentials.fresh ? shellWord(credentials.accessKeyId) : read('accessKeyId')
  const secret = credentials.fresh
    ? shellWord(credentials.secretAccessKey)
    : read('secretAccessKey')
  return [
    `AWS_ACCESS_KEY_ID=${id}`,
    `AWS_SECRET_ACCESS_KEY=${secret}`,
    `AWS_DEFAULT_REGION=${config.region}`,
    `aws --endpoint-url ${s3Url} s3 mb s3://my-bucket`,
  ].join(' ')
}
