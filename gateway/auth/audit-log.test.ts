/** What the audit log says about changes of policies and identities, over HTTP. */

import { describe, expect, test } from 'vitest'
import type { RawResponse } from '../conformance/world.ts'
import type { Credential } from '../port/identity.ts'
import { CALLERS_ACCOUNT, document, sendForm } from '../testing/callers.ts'
import { BUCKET_OBJECTS, CALLERS, may, permissionWorld } from '../testing/permission-world.ts'

const world = permissionWorld()
const { as } = world
const { nobody, powerful } = CALLERS

describe('the audit log', () => {
  test('has a line for each change of a policy, even a refused one, without the policy itself', async () => {
    const text = document(may('s3:GetObject', BUCKET_OBJECTS, { Sid: 'Secret', Principal: '*' }))
    const change = (who: Credential | undefined): Promise<RawResponse> =>
      as(who, 'PUT', '/bucket', { query: [['policy', '']], body: [Buffer.from(text)] })
    const done = await change(powerful)
    await change(nobody)
    await change(undefined)
    const policyOf = `arn:aws:s3:::bucket`
    const line = {
      audit: true,
      action: 's3:PutBucketPolicy',
      target: policyOf,
      accountId: CALLERS_ACCOUNT,
      sourceIp: expect.stringMatching(/127\.0\.0\.1|::1/) as string,
    }
    expect(world.gateway.audit).toMatchObject([
      {
        ...line,
        actor: powerful.identity.principalArn,
        outcome: 'done',
        requestId: done.headers['x-amz-request-id'],
      },
      { ...line, actor: nobody.identity.principalArn, outcome: 'AccessDenied' },
      { ...line, actor: '*', accountId: 'anonymous', outcome: 'AccessDenied' },
    ])
    expect(JSON.stringify(world.gateway.audit)).not.toContain('Secret')
  })

  test('has a line for each change of an identity', async () => {
    const form = {
      Action: 'CreateUser',
      UserName: 'eve',
      'Tags.member.1.Key': 'Secret',
      'Tags.member.1.Value': 'x',
    }
    await sendForm(world.gateway.target, powerful, form)
    await sendForm(world.gateway.target, nobody, form)
    await sendForm(world.gateway.target, powerful, { Action: 'ListUsers' })
    const line = { action: 'iam:CreateUser', target: `arn:aws:iam::${CALLERS_ACCOUNT}:user/eve` }
    expect(world.gateway.audit).toMatchObject([
      { ...line, actor: powerful.identity.principalArn, outcome: 'done' },
      { ...line, actor: nobody.identity.principalArn, outcome: 'AccessDenied' },
    ])
    expect(JSON.stringify(world.gateway.audit)).not.toContain('Secret')
  })
})
