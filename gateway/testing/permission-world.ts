/** What tests of permissions work with: callers with different rights, a bucket with two objects, its policy. */

import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { RawResponse } from '../conformance/world.ts'
import type { Credential } from '../port/identity.ts'
import {
  ALL,
  document,
  OTHER_ACCOUNT,
  rootOf,
  send,
  session,
  user,
  type CallerStatement,
  type Sent,
} from './callers.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { EXAMPLE_CREDENTIAL } from './requests.ts'

/** A statement that allows actions on resources. */
export const may = (action: string | string[], resource: string | string[], more: object = {}) => ({
  Effect: 'Allow',
  Action: action,
  Resource: resource,
  ...more,
})

export const BUCKET_OBJECTS = 'arn:aws:s3:::bucket/*'

/** Callers, each named after what its policies allow. */
export const CALLERS = {
  root: EXAMPLE_CREDENTIAL,
  nobody: user('nobody'),
  powerful: user('powerful', [ALL]),
  reader: user('reader', [
    may(['s3:GetObject', 's3:ListBucket'], ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/open/*']),
  ]),
  blind: user('blind', [may('s3:GetObject', 'arn:aws:s3:::bucket/*')]),
  writer: user('writer', [may(['s3:PutObject', 's3:DeleteObject'], 'arn:aws:s3:::bucket/open/*')]),
  creator: user('creator', [may('s3:CreateBucket', '*')]),
  copier: user('copier', [may(['s3:GetObject', 's3:PutObject'], 'arn:aws:s3:::bucket/open/*')]),
  lister: user('lister', [
    may('s3:ListBucket', 'arn:aws:s3:::bucket', {
      Condition: { StringLike: { 's3:prefix': 'open/*' } },
    }),
  ]),
  local: user('local', [
    may('s3:*', '*', { Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }),
  ]),
  stranger: user('stranger', [ALL], OTHER_ACCOUNT),
  poorStranger: user('poor', [], OTHER_ACCOUNT),
  strangeRoot: rootOf(OTHER_ACCOUNT),
  role: session('role', [ALL]),
  limited: session('limited', [ALL], [may('s3:GetObject', 'arn:aws:s3:::bucket/open/*')]),
}

export interface PermissionWorld {
  readonly gateway: TestGateway
  readonly as: (
    who: Credential | undefined,
    method: string,
    path: string,
    more?: Partial<Sent>,
  ) => Promise<RawResponse>
  /** Resolves with the status of a GET. */
  readonly get: (who: Credential | undefined, path: string) => Promise<number>
  /** Replaces the policy of the bucket. */
  readonly setPolicy: (...statements: CallerStatement[]) => Promise<void>
}

/** One gateway for all tests of a file. Each test begins with a bucket without a policy. */
export function permissionWorld(): PermissionWorld {
  let gateway: TestGateway
  const as: PermissionWorld['as'] = (who, method, path, more = {}) =>
    send(gateway.target, who, { method, path, ...more })
  const { root, role, limited, ...others } = CALLERS

  beforeAll(async () => {
    gateway = await startGateway({
      credentials: [root, ...Object.values(others)],
      sessions: new Map([
        ['role', role],
        ['limited', limited],
      ]),
      iam: {
        run: ({ action, parameters }) => Promise.resolve({ Action: action, ...parameters }),
        entityOf: (_, account, kind, name) =>
          Promise.resolve({ arn: `arn:aws:iam::${account}:${kind}/${name}` }),
      },
    })
    await as(root, 'PUT', '/bucket')
    for (const key of ['open/a', 'closed/a']) {
      await as(root, 'PUT', `/bucket/${key}`, { body: [Buffer.from(key)] })
    }
  })
  beforeEach(async () => {
    expect((await as(root, 'DELETE', '/bucket', { query: [['policy', '']] })).status).toBe(204)
    await as(root, 'DELETE', '/bucket', { query: [['publicAccessBlock', '']] })
    gateway.audit.length = 0
  })
  afterAll(() => gateway.close())

  return {
    get gateway() {
      return gateway
    },
    as,
    async get(who, path) {
      return (await as(who, 'GET', path)).status
    },
    async setPolicy(...statements) {
      const body = [Buffer.from(document(...statements))]
      const answer = await as(root, 'PUT', '/bucket', { query: [['policy', '']], body })
      expect(answer.text).toBe('')
    },
  }
}
