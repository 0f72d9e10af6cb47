/** What the SDK's steps share. */

import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import type { Context } from '../../suite.ts'

/** Gives the client of the next gateway, in turn. */
export type NextClient = () => S3Client

export function sdkClient(context: Context, index: number, more: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: context.endpoint(index),
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { ...context.credentials },
    maxAttempts: 2,
    ...more,
  })
}

export async function getBytes(client: S3Client, bucket: string, key: string): Promise<Uint8Array> {
  const reply = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  if (reply.Body === undefined) throw new Error('no body')
  return reply.Body.transformToByteArray()
}

/** The HTTP status and the name of the error that `work` must end with. */
export async function failureOf(work: Promise<unknown>): Promise<{ status: number; name: string }> {
  try {
    await work
  } catch (error) {
    const { name, $metadata } = error as {
      name: string
      $metadata?: { httpStatusCode?: number }
    }
    if ($metadata?.httpStatusCode === undefined) throw error
    return { status: $metadata.httpStatusCode, name }
  }
  throw new Error('succeeded, but should have failed')
}
