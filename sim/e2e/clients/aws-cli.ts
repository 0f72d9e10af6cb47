/** aws-cli: `aws s3` for people, `aws s3api` for the operations beneath. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import { makeTree, sameFile, sameTree, seededBytes } from '../files.ts'
import { equal, sameBytes } from '../suite.ts'
import type { Context, Suite } from '../suite.ts'

const bucket = 'aws-cli-bucket'

/** The environment of aws-cli, without the caller's own profile. */
export function awsEnvironment(context: Context): Record<string, string> {
  // Version 1 of aws-cli presigns with signature version 2 unless told otherwise.
  const config = join(context.scratch, 'aws-config')
  writeFileSync(config, '[default]\ns3 =\n  signature_version = s3v4\n')
  return {
    ...context.environment,
    AWS_CONFIG_FILE: config,
    AWS_PAGER: '',
  }
}

interface Commands {
  /** Its standard output. */
  readonly aws: (...args: string[]) => Promise<string>
  /** The output of `aws s3api`, parsed. */
  readonly json: (...args: string[]) => Promise<Record<string, unknown>>
}

function commandsOf(context: Context): Commands {
  const env = awsEnvironment(context)
  const aws = async (...args: string[]): Promise<string> => {
    const endpoint = ['--endpoint-url', context.nextEndpoint()]
    return (await runCommand('aws', [...endpoint, ...args], { env, timeoutMs: 300_000 })).stdout
  }
  const json = async (...args: string[]): Promise<Record<string, unknown>> =>
    JSON.parse(await aws('s3api', ...args, '--output', 'json')) as Record<string, unknown>
  return { aws, json }
}

async function runSuite(context: Context): Promise<void> {
  const commands = commandsOf(context)
  await fileSteps(context, commands)
  await objectSteps(context, commands)
  await encryptionStep(context, commands)
  await lastSteps(context, commands)
}

async function fileSteps(context: Context, { aws }: Commands): Promise<void> {
  const { scratch } = context
  await context.step('mb, ls', async () => {
    await aws('s3', 'mb', `s3://${bucket}`)
    if (!(await aws('s3', 'ls')).includes(bucket)) throw new Error('the new bucket is not listed')
  })

  const tree = join(scratch, 'tree')
  makeTree(tree, 300)
  await context.step('sync a tree up and down', async () => {
    await aws('s3', 'sync', '--only-show-errors', tree, `s3://${bucket}/tree`)
    await aws('s3', 'sync', '--only-show-errors', `s3://${bucket}/tree`, join(scratch, 'down'))
    await sameTree(join(scratch, 'down'), tree)
    const again = await aws('s3', 'sync', tree, `s3://${bucket}/tree`)
    equal(again.trim(), '', 'a second sync has nothing to do')
  })

  await context.step('cp of 40 MiB in parts, both ways and by copy', async () => {
    const file = join(scratch, 'large.bin')
    writeFileSync(file, seededBytes(40, 40 << 20))
    await aws('s3', 'cp', '--only-show-errors', file, `s3://${bucket}/large.bin`)
    await aws('s3', 'cp', '--only-show-errors', `s3://${bucket}/large.bin`, `${file}.down`)
    await sameFile(`${file}.down`, file)
    await aws(
      's3',
      'cp',
      '--only-show-errors',
      `s3://${bucket}/large.bin`,
      `s3://${bucket}/copy.bin`,
    )
    await aws('s3', 'cp', '--only-show-errors', `s3://${bucket}/copy.bin`, `${file}.copy`)
    await sameFile(`${file}.copy`, file)
  })
}

async function objectSteps(context: Context, { json }: Commands): Promise<void> {
  const { scratch } = context
  await context.step('put-object with metadata, head-object, get-object --range', async () => {
    const file = join(scratch, 'small.txt')
    const body = seededBytes(7, 5_000)
    writeFileSync(file, body)
    const key = 'a key/with ünïcødé = + // & <odd> \'"?#.txt'
    const at = ['--bucket', bucket, '--key', key]
    await json(
      'put-object',
      ...at,
      '--body',
      file,
      '--content-type',
      'text/x-odd',
      '--metadata',
      'a=1,b=two',
    )
    const head = await json('head-object', ...at)
    equal(head['ContentLength'], body.length, 'length')
    equal(head['ContentType'], 'text/x-odd', 'content type')
    equal(head['Metadata'], { a: '1', b: 'two' }, 'metadata')
    const part = join(scratch, 'range')
    await json('get-object', ...at, '--range', 'bytes=100-299', part)
    sameBytes(readFileSync(part), body.subarray(100, 300), 'range')
    const listed = await json('list-objects-v2', '--bucket', bucket, '--prefix', 'a key/')
    const contents = listed['Contents'] as { Key: string }[]
    equal(
      contents.map((entry) => entry.Key),
      [key],
      'listed keys',
    )
  })

  await context.step('list-objects-v2 pages and delimiters', async () => {
    const listed = await json(
      'list-objects-v2',
      '--bucket',
      bucket,
      '--delimiter',
      '/',
      '--prefix',
      'tree/',
    )
    const prefixes = (listed['CommonPrefixes'] as { Prefix: string }[]).map((entry) => entry.Prefix)
    equal(
      prefixes,
      Array.from({ length: 7 }, (_, i) => `tree/dir-${i}/`),
      'common prefixes',
    )
    const paged = ['--bucket', bucket, '--prefix', 'tree/', '--page-size', '17']
    const all = await json('list-objects-v2', ...paged)
    equal((all['Contents'] as unknown[]).length, 300, 'keys over all pages')
  })
}

async function encryptionStep(context: Context, { aws, json }: Commands): Promise<void> {
  const { scratch } = context
  await context.step('encryption by keys of the cluster and of the client', async () => {
    const file = join(scratch, 'secret.bin')
    writeFileSync(file, seededBytes(41, 12 << 20))
    const key = join(scratch, 'client.key')
    writeFileSync(key, seededBytes(42, 32))
    const cp = (from: string, to: string, ...more: string[]): Promise<string> =>
      aws('s3', 'cp', '--only-show-errors', from, to, ...more)
    const own = ['--sse-c', 'AES256', '--sse-c-key', `fileb://${key}`]
    await cp(file, `s3://${bucket}/sse`, '--sse', 'AES256')
    const head = await json('head-object', '--bucket', bucket, '--key', 'sse')
    equal(head['ServerSideEncryption'], 'AES256', 'encryption of the object')
    await cp(`s3://${bucket}/sse`, `${file}.down`)
    await sameFile(`${file}.down`, file)
    await cp(`s3://${bucket}/sse`, `s3://${bucket}/sse-kms`, '--sse', 'aws:kms')
    await cp(`s3://${bucket}/sse-kms`, `${file}.kms`)
    await sameFile(`${file}.kms`, file)
    await cp(file, `s3://${bucket}/sse-c`, ...own)
    await cp(`s3://${bucket}/sse-c`, `${file}.own`, ...own)
    await sameFile(`${file}.own`, file)
    const rules =
      '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BucketKeyEnabled":false}]}'
    const named = ['--bucket', bucket]
    const configure = ['--server-side-encryption-configuration', rules]
    await aws('s3api', 'put-bucket-encryption', ...named, ...configure)
    const shown = await json('get-bucket-encryption', ...named)
    equal(JSON.stringify(shown['ServerSideEncryptionConfiguration']), rules, 'configuration')
    await aws('s3api', 'delete-bucket-encryption', ...named)
  })
}

async function lastSteps(context: Context, { aws, json }: Commands): Promise<void> {
  const { scratch } = context
  await context.step('tags of a bucket and an object', async () => {
    const set = '{"TagSet":[{"Key":"team","Value":"a b"}]}'
    const named = ['--bucket', bucket, '--key', 'tagged']
    await aws('s3api', 'put-bucket-tagging', '--bucket', bucket, '--tagging', set)
    const ofBucket = await json('get-bucket-tagging', '--bucket', bucket)
    equal(JSON.stringify(ofBucket), set, 'tags of the bucket')
    await json('put-object', ...named, '--tagging', 'team=a+b&x=y')
    equal((await json('head-object', ...named))['TagCount'], 2, 'TagCount')
    await aws('s3api', 'put-object-tagging', ...named, '--tagging', set)
    const copy = ['--bucket', bucket, '--key', 'copy']
    await json('copy-object', ...copy, '--copy-source', `${bucket}/tagged`)
    equal(JSON.stringify(await json('get-object-tagging', ...copy)), set, 'tags of the copy')
    await aws('s3api', 'delete-object-tagging', ...copy)
    equal(JSON.stringify(await json('get-object-tagging', ...copy)), '{"TagSet":[]}', 'no tags')
  })

  await context.step('ownership and access control lists', async () => {
    const bucketOf = ['--bucket', `${bucket}-lists`]
    const named = [...bucketOf, '--key', 'listed']
    await aws('s3api', 'create-bucket', ...bucketOf, '--object-ownership', 'ObjectWriter')
    const shown = await json('get-bucket-ownership-controls', ...bucketOf)
    equal(
      JSON.stringify(shown),
      '{"OwnershipControls":{"Rules":[{"ObjectOwnership":"ObjectWriter"}]}}',
      'ownership',
    )
    await json('put-object', ...named, '--acl', 'public-read')
    const url = `${context.nextEndpoint()}/${bucket}-lists/listed`
    equal((await fetch(url)).status, 200, 'status of a public object')
    const acl = await json('get-object-acl', ...named)
    equal((acl['Grants'] as unknown[]).length, 2, 'grants')
    await aws('s3api', 'put-object-acl', ...named, '--access-control-policy', JSON.stringify(acl))
    await aws('s3api', 'put-object-acl', ...named, '--acl', 'private')
    equal((await fetch(url)).status, 403, 'status of a private object')
    await aws('s3', 'rb', '--force', `s3://${bucket}-lists`)
  })

  await context.step('presign', async () => {
    const url = (await aws('s3', 'presign', `s3://${bucket}/small`, '--expires-in', '60')).trim()
    equal((await fetch(url)).status, 404, 'status of a key that is not there')
    await json(
      'put-object',
      '--bucket',
      bucket,
      '--key',
      'small',
      '--body',
      join(scratch, 'small.txt'),
    )
    const reply = await fetch(url)
    equal(reply.status, 200, 'status')
    sameBytes(await reply.bytes(), readFileSync(join(scratch, 'small.txt')), 'presigned')
  })

  await context.step('mv, rm --recursive, rb --force', async () => {
    await aws('s3', 'mv', '--only-show-errors', `s3://${bucket}/small`, `s3://${bucket}/moved`)
    const listed = await aws('s3', 'ls', `s3://${bucket}/`)
    if (/ small$/m.test(listed) || !/ moved$/m.test(listed)) throw new Error(`mv left\n${listed}`)
    await aws('s3', 'rm', '--only-show-errors', '--recursive', `s3://${bucket}/tree`)
    equal(
      (await json('list-objects-v2', '--bucket', bucket, '--prefix', 'tree/'))['KeyCount'] ?? 0,
      0,
      'keys left',
    )
    await aws('s3', 'rb', '--force', `s3://${bucket}`)
    if ((await aws('s3', 'ls')).includes(bucket)) throw new Error('the bucket is still listed')
  })
}

export const awsCli: Suite = { name: 'aws-cli', program: 'aws', run: runSuite }
