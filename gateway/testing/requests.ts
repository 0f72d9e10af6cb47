/** Requests for tests, without a server. */

import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'

import type { Credential } from '../port/identity.ts'
import { parseRequest } from '../http/request.ts'
import type { S3Request } from '../http/request.ts'

/** The key of AWS's published examples. */
export const EXAMPLE_CREDENTIAL: Credential = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  identity: {
    accountId: '123456789012',
    principalArn: 'arn:aws:iam::123456789012:root',
    principalId: '123456789012',
    userName: 'root',
    type: 'Account',
    isRoot: true,
    policies: [],
  },
}

export interface FakeMessage {
  readonly method?: string
  /** Path and query. */
  readonly url: string
  /** In order; a name may repeat. */
  readonly headers?: readonly (readonly [string, string])[] | Readonly<Record<string, string>>
  /** Raw pieces as they would arrive from the socket. */
  readonly body?: readonly Uint8Array[]
}

/** The message that Node's HTTP server would pass on. */
export function fakeMessage(fake: FakeMessage): IncomingMessage {
  const pairs = Array.isArray(fake.headers) ? fake.headers : Object.entries(fake.headers ?? {})
  const readable = Readable.from(fake.body ?? [], { objectMode: false })
  return Object.assign(readable, {
    method: fake.method ?? 'GET',
    url: fake.url,
    rawHeaders: pairs.flat(),
    socket: { remoteAddress: '192.0.2.1' },
  }) as unknown as IncomingMessage
}

export function fakeRequest(fake: FakeMessage, hostSuffixes: readonly string[] = []): S3Request {
  return parseRequest(fakeMessage(fake), { hostSuffixes })
}
