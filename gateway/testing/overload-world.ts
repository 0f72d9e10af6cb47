/** What tests of overload work with: two callers, raw connections, heads of requests as text. */

import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, expect } from 'vitest'
import { sendRaw } from '../conformance/world.ts'
import { countsNothing, limitsMemory } from '../overload/testing/limits-memory.ts'
import type { Credential } from '../port/identity.ts'
import { startGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts'
import { EXAMPLE_CREDENTIAL } from './requests.ts'
import { signHeader } from './signer.ts'
import { openSocket, type RawSocket } from './socket.ts'

export const MEBI = 1024 * 1024
export const OTHER_CALLER: Credential = {
  accessKeyId: 'AKIAOTHER',
  secretAccessKey: 'another-secret',
  identity: {
    ...EXAMPLE_CREDENTIAL.identity,
    accountId: '210987654321',
    principalArn: 'arn:aws:iam::210987654321:root',
    principalId: '210987654321',
  },
}

export interface OverloadWorld {
  /** Starts a gateway with an empty bucket named `bucket`. */
  readonly start: (options?: TestGatewayOptions) => Promise<TestGateway>
  readonly open: (gateway: TestGateway) => Promise<RawSocket>
}

/** Where a gateway counts its limits. */
export type CountedIn = 'the gateway' | 'memory of the process'
export const COUNTED_IN: readonly CountedIn[] = ['the gateway', 'memory of the process']

/** The gateway and all connections are closed after each test. Then nothing is counted any more. */
export function overloadWorld(countedIn: CountedIn): OverloadWorld {
  let server: TestGateway | undefined
  let memory: SharedArrayBuffer | undefined
  let sockets: RawSocket[] = []
  afterEach(async () => {
    for (const { socket } of sockets) socket.destroy()
    sockets = []
    await server?.close()
    server = undefined
    const counted = memory
    if (counted !== undefined) await expect.poll(() => countsNothing(counted)).toBe(true)
  })
  return {
    async start(options = {}) {
      memory = countedIn === 'the gateway' ? undefined : limitsMemory()
      const credentials = [EXAMPLE_CREDENTIAL, OTHER_CALLER]
      server = await startGateway({ credentials, sharedLimits: memory, ...options })
      await sendRaw(server.target, { method: 'PUT', path: '/bucket' })
      return server
    },
    async open({ target }) {
      const socket = await openSocket(target.endpoint)
      sockets.push(socket)
      return socket
    },
  }
}

/** Waits until the gateway has read what was sent to it. */
export async function untilHolds(holds: () => boolean): Promise<void> {
  while (!holds()) await turn()
}

export async function letPass(turns = 50): Promise<void> {
  for (let i = 0; i < turns; i++) await turn()
}

export function timestampNow(): string {
  return new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
}

type Query = readonly (readonly [string, string])[]

export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly query?: Query
  readonly headers?: Record<string, string>
  readonly length?: number
}

export function signedRequestHead(
  { target }: Pick<TestGateway, 'target'>,
  head: RequestHead,
  credential = EXAMPLE_CREDENTIAL,
): string {
  const { host } = new URL(target.endpoint)
  const { message } = signHeader(
    { ...head, headers: { host, ...head.headers } },
    {
      region: 'us-east-1',
      timestamp: timestampNow(),
      accessKeyId: credential.accessKeyId,
      secretAccessKey: credential.secretAccessKey,
    },
  )
  return requestHead({ ...head, path: message.url, query: [], headers: message.headers })
}

export function requestHead({
  method,
  path,
  query = [],
  headers = {},
  length,
}: RequestHead): string {
  const search = query.map((pair) => pair.join('=')).join('&')
  const lines = Object.entries({ host: 'h', ...headers }).map((pair) => pair.join(': '))
  if (length !== undefined) lines.push(`content-length: ${length}`)
  return `${method} ${path}${search === '' ? '' : `?${search}`} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

export const DELETION: RequestHead = { method: 'POST', path: '/bucket', query: [['delete', '']] }

export async function allowEverybody(
  gateway: TestGateway,
  action: string,
  Resource = 'arn:aws:s3:::bucket/*',
): Promise<void> {
  const statement = { Effect: 'Allow', Principal: '*', Action: action, Resource }
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  const answer = await sendRaw(gateway.target, {
    method: 'PUT',
    path: '/bucket',
    query: [['policy', '']],
    body: [Buffer.from(policy)],
  })
  expect(answer.status).toBe(204)
}

export function putBytes(gateway: TestGateway, sizeBytes: number): ReturnType<typeof sendRaw> {
  const body = [Buffer.alloc(sizeBytes)]
  return sendRaw(gateway.target, { method: 'PUT', path: '/bucket/k', body })
}
