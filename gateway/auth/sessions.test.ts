/** Requests of sessions, and forms of IAM and STS, over HTTP. */

import { describe, expect, test } from 'vitest'
import { sendForm } from '../testing/callers.ts'
import { BUCKET_OBJECTS, CALLERS, may, permissionWorld } from '../testing/permission-world.ts'
import { presign } from '../testing/signer.ts'

const world = permissionWorld()
const { as, setPolicy } = world
const { root, nobody, powerful, role, limited } = CALLERS

describe('sessions', () => {
  const withToken = (token: string) => ({ headers: { 'x-amz-security-token': token } })

  test('can be used in the header', async () => {
    expect((await as(role, 'GET', '/bucket/closed/a', withToken('role'))).status).toBe(200)
    expect((await as(role, 'GET', '/bucket/closed/a', withToken('forged'))).code).toBe(
      'InvalidToken',
    )
    expect((await as(role, 'GET', '/bucket/closed/a')).code).toBe('InvalidAccessKeyId')
    expect((await as(root, 'GET', '/bucket/closed/a', withToken('role'))).code).toBe(
      'InvalidAccessKeyId',
    )
  })

  test('can be used in the query', async () => {
    const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
    const { host } = new URL(world.gateway.target.endpoint)
    const { message } = presign(
      { path: '/bucket/open/a', query: [['X-Amz-Security-Token', 'role']], headers: { host } },
      { ...role, timestamp },
    )
    const answer = await as(undefined, 'GET', message.url, { headers: { host } })
    expect([answer.status, answer.text]).toEqual([200, 'open/a'])
    const without = message.url.replace(/X-Amz-Security-Token=role&/, '')
    expect((await as(undefined, 'GET', without, { headers: { host } })).code).toBe(
      'InvalidAccessKeyId',
    )
    const other = message.url.replace('Token=role', 'Token=limited')
    expect((await as(undefined, 'GET', other, { headers: { host } })).status).toBe(403)
  })

  test('are limited by their own policies', async () => {
    expect((await as(limited, 'GET', '/bucket/open/a', withToken('limited'))).status).toBe(200)
    expect((await as(limited, 'GET', '/bucket/closed/a', withToken('limited'))).status).toBe(403)
    await setPolicy(may('s3:GetObject', BUCKET_OBJECTS, { Principal: '*' }))
    expect((await as(limited, 'GET', '/bucket/closed/a', withToken('limited'))).status).toBe(403)
  })
})

describe('forms of IAM and STS', () => {
  const LIST = { Action: 'ListUsers', Version: '2010-05-08' }

  test('are signed for their service, in the region or in us-east-1', async () => {
    const answer = await sendForm(world.gateway.target, powerful, LIST)
    expect(answer.text).toContain('<ListUsersResult><Action>ListUsers</Action></ListUsersResult>')
    expect(
      (await sendForm(world.gateway.target, powerful, LIST, { region: 'us-east-1' })).status,
    ).toBe(200)
    expect((await sendForm(world.gateway.target, powerful, LIST, { region: 'mars' })).status).toBe(
      400,
    )
    expect((await sendForm(world.gateway.target, powerful, LIST, { service: 's3' })).status).toBe(
      400,
    )
  })

  test('are covered by the signature', async () => {
    const answer = await sendForm(world.gateway.target, powerful, LIST, {
      tampered: 'Action=ListGroups',
    })
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch'])
  })

  test('need the right', async () => {
    expect((await sendForm(world.gateway.target, nobody, LIST)).code).toBe('AccessDenied')
    expect((await sendForm(world.gateway.target, undefined, LIST)).code).toBe(
      'MissingAuthenticationToken',
    )
    const unknown = { ...nobody, accessKeyId: 'AKIAUNKNOWN' }
    expect((await sendForm(world.gateway.target, unknown, LIST)).code).toBe('InvalidClientTokenId')
  })
})
