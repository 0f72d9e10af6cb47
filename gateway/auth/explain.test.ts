/** Who is told why a request was denied, over HTTP. */

import { describe, expect, test } from 'vitest'
import type { Credential } from '../port/identity.ts'
import { ALL, CALLERS_ACCOUNT, OTHER_ACCOUNT, send, user } from '../testing/callers.ts'
import { startGateway } from '../testing/gateway.ts'
import { BUCKET_OBJECTS, CALLERS, may, permissionWorld } from '../testing/permission-world.ts'

const { as, get, setPolicy } = permissionWorld()
const { root, powerful, reader, stranger, strangeRoot } = CALLERS

describe('an explanation', () => {
  test('of its own policies is given to a caller who may simulate itself', async () => {
    const deny = { Sid: 'NotHere', Effect: 'Deny', Action: 's3:Put*', Resource: BUCKET_OBJECTS }
    const self = may('iam:SimulatePrincipalPolicy', `arn:aws:iam::${CALLERS_ACCOUNT}:user/knowing`)
    const knowing = user('knowing', [self, ALL, deny])
    const other = await startGateway({ credentials: [root, knowing, user('ignorant', [deny])] })
    await send(other.target, root, { method: 'PUT', path: '/bucket' })
    const put = (who: Credential) => send(other.target, who, { method: 'PUT', path: '/bucket/k' })
    const told = await put(knowing)
    expect(told.text).toContain('<DecidingPolicy>user/knowing/inline</DecidingPolicy>')
    expect(told.text).toContain('<DecidingStatement>Statement[2]</DecidingStatement>')
    expect(told.text).toContain('<DecidingSid>NotHere</DecidingSid>')
    expect(told.text).toContain('with an explicit deny in an identity-based policy')
    const untold = await put(user('ignorant', [deny]))
    expect(untold.text).toContain('<Message>Access Denied</Message>')
    expect(untold.text).not.toMatch(/Deciding|NotHere|Reason/)
    await other.close()
  })

  test('of a bucket policy is given to callers of its account who may read it', async () => {
    await setPolicy({
      Sid: 'Sealed',
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: BUCKET_OBJECTS,
    })
    for (const who of [root, powerful]) {
      const told = await as(who, 'GET', '/bucket/open/a')
      expect(told.text).toContain('<DecidingPolicy>bucket policy</DecidingPolicy>')
      expect(told.text).toContain('<DecidingSid>Sealed</DecidingSid>')
    }
    for (const who of [reader, stranger, strangeRoot, undefined]) {
      const untold = await as(who, 'GET', '/bucket/open/a')
      expect(untold.text).toContain('<Message>Access Denied</Message>')
      expect(untold.text).not.toMatch(/Deciding|Sealed|Reason/)
    }
  })

  test('is never given to another account, whatever its rights', async () => {
    const them = { AWS: [OTHER_ACCOUNT] }
    const everything = ['arn:aws:s3:::bucket', BUCKET_OBJECTS]
    await setPolicy(may('s3:*', everything, { Principal: them }), {
      Sid: 'Sealed',
      Effect: 'Deny',
      Principal: them,
      Action: 's3:GetObject',
      Resource: BUCKET_OBJECTS,
    })
    expect(await get(stranger, '/bucket')).toBe(200)
    const untold = await as(stranger, 'GET', '/bucket/open/a')
    expect(untold.text).toContain('<Message>Access Denied</Message>')
    expect(untold.text).not.toMatch(/Deciding|Sealed|Reason/)
    // The policy of a bucket is not shown to another account either.
    const query = [['policy', '']] as const
    for (const who of [stranger, strangeRoot]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        expect((await as(who, method, '/bucket', { query })).status).toBe(405)
      }
    }
  })
})

describe('an explanation of a missing right', () => {
  test('names the action', async () => {
    const self = may('iam:SimulatePrincipalPolicy', '*')
    const asking = user('asking', [self])
    const other = await startGateway({ credentials: [root, asking] })
    await send(other.target, root, { method: 'PUT', path: '/bucket' })
    const told = await send(other.target, asking, { method: 'GET', path: '/bucket' })
    expect(told.text).toContain('because no identity-based policy allows the s3:ListBucket action')
    expect(told.text).toContain('<Reason>no-allow</Reason>')
    await other.close()
  })
})
