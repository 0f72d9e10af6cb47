/** Every operation of the tables, requested by callers without the right (F30). */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { S3_BUCKET_ACTIONS, S3_OBJECT_ACTIONS } from '../protocol/iam/s3-actions.ts'
import { StoreError } from '../protocol/errors.ts'
import type { Backend } from './port/backend.ts'
import type { Credential } from './port/identity.ts'
import type { RawResponse } from './conformance/world.ts'
import type { IamBackend } from './port/iam-backend.ts'
import type { IamAction } from './iam/action.ts'
import { IAM_ACTIONS } from './iam/operations.ts'
import type { ParameterRule } from './iam/parameters.ts'
import type { Operation } from './s3/operation.ts'
import { OPERATIONS } from './routes/operations.ts'
import {
  CALLERS_ACCOUNT,
  ALL,
  bounded,
  DENY,
  document,
  OTHER_ACCOUNT,
  rootOf,
  send,
  sendForm,
  session,
  user,
  type Sent,
} from './testing/callers.ts'
import { startGateway, type TestGateway } from './testing/gateway.ts'
import { EXAMPLE_CREDENTIAL } from './testing/requests.ts'

const nobody = user('nobody')
const elsewhere = user('elsewhere', [ALL], OTHER_ACCOUNT)
const strangeRoot = rootOf(OTHER_ACCOUNT)
/** Its policies allow everything, in an account that is not its own. */
const misplaced = user('misplaced', [{ ...ALL, Resource: `arn:aws:*::${OTHER_ACCOUNT}:*` }])
const denied = user('denied', [ALL, DENY])
const powerful = user('powerful', [ALL])
const limited = session('limited', [ALL], [])
/** They have all rights, and boundaries that leave them none: by saying nothing, and by a Deny. */
const bound = bounded(powerful, [{ ...ALL, Action: 'ec2:*' }])
const barred = bounded(user('barred', [ALL]), [ALL, DENY])
const unreadable: Credential = {
  ...powerful,
  accessKeyId: 'AKIAUNREADABLE',
  identity: {
    ...powerful.identity,
    policies: [...powerful.identity.policies, { name: 'broken', text: '{' }],
  },
}

/** Calls that a decision about rights needs. */
const HARMLESS = new Set(['credential', 'sessionCredential', 'bucketAccess'])

let server: TestGateway
/** All other calls of the store. */
let touched: string[] = []
/** The account in which the last action of IAM or STS was done. */
let actedFor = ''

function watched(memory: Backend): Backend {
  return new Proxy(memory, {
    get(target, name: keyof Backend) {
      if (name === 'sessionCredential') {
        return (accessKeyId: string, token: string) => {
          if (token === 'expired') throw new StoreError('ExpiredToken')
          return target.sessionCredential(accessKeyId, token)
        }
      }
      if (!HARMLESS.has(name)) touched.push(name)
      return target[name].bind(target)
    },
  })
}

const iam: IamBackend = {
  run: ({ action, caller }) => {
    touched.push(action)
    actedFor = caller.accountId
    return Promise.resolve({})
  },
  entityOf: (_, accountId, kind, name) =>
    Promise.resolve({ arn: `arn:aws:iam::${accountId}:${kind}/${name}` }),
}

const everybody = {
  ...DENY,
  Principal: '*',
  Resource: ['arn:aws:s3:::sealed', 'arn:aws:s3:::sealed/*'],
}

beforeAll(async () => {
  server = await startGateway({
    credentials: [
      EXAMPLE_CREDENTIAL,
      nobody,
      elsewhere,
      strangeRoot,
      denied,
      powerful,
      unreadable,
      misplaced,
      bound,
      barred,
    ],
    sessions: new Map([['limited', limited]]),
    backend: watched,
    iam,
  })
  const put = (path: string, query: [string, string][] = [], body = path): Promise<RawResponse> =>
    send(server.target, EXAMPLE_CREDENTIAL, {
      method: 'PUT',
      path,
      query,
      body: [Buffer.from(path.lastIndexOf('/') > 0 || query.length > 0 ? body : '')],
    })
  for (const bucket of ['bucket', 'sealed']) {
    expect((await put(`/${bucket}`)).status).toBe(200)
    expect((await put(`/${bucket}/key`)).status).toBe(200)
  }
  expect((await put('/sealed', [['policy', '']], document(everybody))).status).toBe(204)
})

afterAll(() => server.close())

const BODIES: Readonly<Record<string, string>> = {
  DeleteObjects: '<Delete><Object><Key>key</Key></Object></Delete>',
  PutBucketPolicy: document({ ...ALL, Principal: '*', Resource: 'arn:aws:s3:::bucket/*' }),
}

/** A request for this operation. */
function requestOf(operation: Operation, bucket: string): Sent {
  const path = { service: '/', bucket: `/${bucket}`, object: `/${bucket}/key` }[operation.level]
  const query = operation.marks.map((mark) => {
    const [name = '', value = ''] = mark.split('=')
    return [name, name === 'partNumber' ? '1' : value] as const
  })
  const body = BODIES[operation.name] ?? ''
  const headers: Record<string, string> = {}
  if (operation.markHeader !== undefined) headers['x-amz-copy-source'] = `/${bucket}/key`
  if (operation.name === 'GetObjectAttributes') headers['x-amz-object-attributes'] = 'ETag'
  if (body !== '') headers['content-md5'] = createHash('md5').update(body).digest('base64')
  return { method: operation.method, path, query, headers, body: [Buffer.from(body)] }
}

async function refused(
  operation: Operation,
  who: Credential | undefined,
  bucket = 'bucket',
  token?: string,
): Promise<void> {
  const sent = requestOf(operation, bucket)
  touched = []
  const answer = await send(server.target, who, {
    ...sent,
    headers: { ...sent.headers, ...(token === undefined ? {} : { 'x-amz-security-token': token }) },
  })
  const label = `${operation.name} by ${who?.accessKeyId ?? 'nobody'}: ${answer.text}`
  expect(touched, label).toEqual([])
  if (operation.name === 'DeleteObjects' && answer.status === 200) {
    // Each key has its own answer.
    expect(answer.text, label).toContain('<Code>AccessDenied</Code>')
    expect(answer.text, label).not.toContain('<Deleted>')
    return
  }
  expect(answer.status, label).toBe(403)
  if (operation.method === 'HEAD') return
  expect(answer.code, label).toBe(token === 'expired' ? 'ExpiredToken' : 'AccessDenied')
}

describe('S3: without the right', () => {
  for (const operation of OPERATIONS) {
    if (operation.service !== 's3') continue
    /** For a bucket that exists. */
    const owned = operation.level !== 'service' && operation.name !== 'CreateBucket'
    test(operation.name, async () => {
      await refused(operation, nobody)
      await refused(operation, unreadable)
      await refused(operation, denied)
      await refused(operation, bound)
      await refused(operation, barred)
      await refused(operation, undefined)
      await refused(operation, EXAMPLE_CREDENTIAL, 'bucket', 'expired')
      await refused(operation, limited, 'bucket', 'limited')
      if (!owned) return
      await refused(operation, elsewhere)
      await refused(operation, strangeRoot)
      await refused(operation, powerful, 'sealed')
      await refused(operation, undefined, 'sealed')
      // The root of the account can change the policy, and nothing else.
      if (!operation.name.endsWith('BucketPolicy')) {
        await refused(operation, EXAMPLE_CREDENTIAL, 'sealed')
      }
    })
  }

  test('nothing was changed, and with the right everything is accessible', async () => {
    const got = await send(server.target, powerful, { method: 'GET', path: '/bucket/key' })
    expect([got.status, got.text]).toEqual([200, '/bucket/key'])
    const policy = await send(server.target, EXAMPLE_CREDENTIAL, {
      method: 'GET',
      path: '/sealed',
      query: [['policy', '']],
    })
    expect(policy.text).toBe(document(everybody))
  })

  test('a bucket policy can name every right of the table', () => {
    const known = new Set([...S3_BUCKET_ACTIONS, ...S3_OBJECT_ACTIONS])
    const rights = OPERATIONS.filter(
      ({ service, resource }) => service === 's3' && resource !== 'service',
    ).flatMap(({ action, versionAction }) => [action, versionAction ?? action])
    expect(rights.filter((right) => !known.has(right.toLowerCase()))).toEqual([])
  })
})

/** Names the account of what it is about, as PolicyArn does. */
const onProvider = 'OpenIDConnectProviderArn'

/** A value that the rule accepts. */
function sampleOf(rule: ParameterRule, name: string, place: string): [string, string][] {
  switch (rule.type) {
    case 'integer':
      return [[place, String(rule.min)]]
    case 'choice':
      return [[place, rule.choices[0] as string]]
    case 'list':
      return sampleOf(rule.items, name, `${place}.member.1`)
    case 'record':
      return Object.entries(rule.fields).flatMap(([field, each]) =>
        each.required === true ? sampleOf(each, field, `${place}.${field}`) : [],
      )
    case 'text': {
      const samples = [
        ...(name === onProvider
          ? [`arn:aws:iam::${CALLERS_ACCOUNT}:oidc-provider/idp.example.org`]
          : []),
        `arn:aws:iam::${CALLERS_ACCOUNT}:policy/sample`,
        `arn:aws:iam::${CALLERS_ACCOUNT}:user/sample`,
        'sample',
        'AKIASAMPLE',
        'v1',
        CALLERS_ACCOUNT,
        'a'.repeat(40),
        '/',
      ]
      const found = samples.find(
        (each) =>
          each.length >= rule.min &&
          each.length <= rule.max &&
          (rule.pattern?.test(each) ?? true) &&
          (!name.endsWith('Arn') || each.startsWith('arn:')),
      )
      if (found === undefined) throw new Error(`no sample for ${name}`)
      return [[place, found]]
    }
  }
}

function formOf(action: IamAction): Record<string, string> {
  const parameters = Object.entries(action.parameters).flatMap(([name, rule]) =>
    rule.required === true ? sampleOf(rule, name, name) : [],
  )
  return { Action: action.name, ...Object.fromEntries(parameters) }
}

describe('IAM and STS: without the right', () => {
  for (const action of IAM_ACTIONS.values()) {
    test(action.name, async () => {
      const refusedForm = async (who: Credential | undefined, token?: string): Promise<void> => {
        touched = []
        const answer = await sendForm(server.target, who, formOf(action), {
          service: action.service,
          ...(token === undefined ? {} : { headers: { 'x-amz-security-token': token } }),
        })
        const label = `by ${who?.accessKeyId ?? 'nobody'}: ${answer.text}`
        expect(answer.status, label).toBe(403)
        expect(touched, label).toEqual([])
      }
      if (action.unsigned === true) {
        // What proves who asks is for the backend to judge.
        touched = []
        const answer = await sendForm(server.target, undefined, formOf(action))
        expect([answer.status, touched, actedFor]).toEqual([200, [action.name], 'anonymous'])
      } else await refusedForm(undefined)
      await refusedForm(EXAMPLE_CREDENTIAL, 'expired')
      await refusedForm(EXAMPLE_CREDENTIAL, 'forged')
      // These decide themselves, or are allowed for every signed request.
      if (action.authorizedBy !== 'gate') return
      await refusedForm(nobody)
      await refusedForm(unreadable)
      await refusedForm(denied)
      await refusedForm(bound)
      await refusedForm(barred)
      await refusedForm(limited, 'limited')
      // A caller of another account reaches nothing here: by an ARN it is refused, and by a name it means its own account.
      await refusedForm(misplaced)
      for (const stranger of [elsewhere, strangeRoot]) {
        const names = 'PolicyArn' in action.parameters || onProvider in action.parameters
        if (names) await refusedForm(stranger)
        else {
          const { service } = action
          await sendForm(server.target, stranger, formOf(action), { service })
          expect([touched.at(-1), actedFor]).toEqual([action.name, OTHER_ACCOUNT])
        }
      }
      touched = []
      const answer = await sendForm(server.target, powerful, formOf(action))
      expect([answer.status, touched]).toEqual([200, [action.name]])
    })
  }
})
