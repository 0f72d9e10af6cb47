import { beforeEach, describe, expect, it } from 'vitest'
import { allow, FIRST_KEY, IamWorld } from './testing/world.ts'

let world: IamWorld
const names = (result: unknown, list: string, field: string): unknown[] =>
  (result as Record<string, Record<string, unknown>[]>)[list]!.map((item) => item[field])

beforeEach(() => {
  world = new IamWorld()
})

describe('access keys', () => {
  it('are created, disabled, enabled and deleted; a user has two at most', async () => {
    const { root } = world
    const ann = { UserName: 'ann' }
    await world.run(root, 'CreateUser', ann)
    const made = (await world.run(root, 'CreateAccessKey', ann))['AccessKey'] as Record<
      string,
      string
    >
    expect(made).toMatchObject({
      UserName: 'ann',
      AccessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/) as string,
      SecretAccessKey: expect.stringMatching(/^[A-Za-z0-9+/]{40}$/) as string,
      Status: 'Active',
    })
    const id = made['AccessKeyId'] as string
    expect((await world.credential(id))?.secretAccessKey).toBe(made['SecretAccessKey'])
    const stored = [...world.registers.values.values()].map(({ body }) =>
      Buffer.from(body).toString('latin1'),
    )
    expect(stored.some((text) => text.includes(made['SecretAccessKey'] as string))).toBe(false)
    const other = await world.key(root, 'ann')
    expect(await world.codeOf(root, 'CreateAccessKey', ann)).toBe('LimitExceeded')
    const set = (status: string) =>
      world.run(root, 'UpdateAccessKey', { ...ann, AccessKeyId: id, Status: status })
    await set('Inactive')
    expect(await world.credential(id)).toBeUndefined()
    const listed = await world.run(root, 'ListAccessKeys', ann)
    const expected = [
      [id, 'Inactive'],
      [other, 'Active'],
    ].sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1))
    expect(
      (listed['AccessKeyMetadata'] as Record<string, string>[]).map((key) => [
        key['AccessKeyId'],
        key['Status'],
      ]),
    ).toEqual(expected)
    await set('Active')
    expect(await world.credential(id)).toBeDefined()
    await world.run(root, 'DeleteAccessKey', { ...ann, AccessKeyId: id })
    expect(await world.credential(id)).toBeUndefined()
    expect(await world.codeOf(root, 'DeleteAccessKey', { ...ann, AccessKeyId: id })).toBe(
      'NoSuchEntity',
    )
    expect(await world.key(root, 'ann')).toMatch(/^AKIA/)
  })
})

describe('access keys of others', () => {
  it("cannot be changed through another user's or account's name", async () => {
    const { root } = world
    await world.user(root, 'ann')
    const bob = await world.user(root, 'bob')
    const [key] = names(
      await world.run(root, 'ListAccessKeys', { UserName: 'ann' }),
      'AccessKeyMetadata',
      'AccessKeyId',
    )
    const asked = { AccessKeyId: key as string }
    expect(await world.codeOf(bob, 'DeleteAccessKey', asked)).toBe('NoSuchEntity')
    expect(await world.codeOf(root, 'DeleteAccessKey', asked)).toBe('NoSuchEntity')
    const other = await world.account('other')
    expect(await world.codeOf(other, 'GetAccessKeyLastUsed', asked)).toBe('AccessDenied')
    expect(await world.run(root, 'GetAccessKeyLastUsed', asked)).toEqual({
      UserName: 'ann',
      AccessKeyLastUsed: { ServiceName: 'N/A', Region: 'N/A' },
    })
    expect(await world.credential(key as string)).toBeDefined()
  })

  it('a session cannot create keys for its own user, because they would outlive it', async () => {
    const ann = await world.user(world.root, 'ann', allow('*'))
    const session = { ...ann, tokenIssuedMs: world.nowMs }
    expect(await world.codeOf(session, 'CreateAccessKey')).toBe('AccessDenied')
    expect(await world.codeOf(session, 'CreateAccessKey', { UserName: 'ann' })).toBe('AccessDenied')
    const root = { ...world.root, tokenIssuedMs: world.nowMs }
    expect(await world.codeOf(root, 'CreateAccessKey')).toBe('AccessDenied')
    const limited = { ...ann, sessionPolicies: [{ name: 's', text: allow('iam:*') }] }
    expect(await world.codeOf(limited, 'CreateAccessKey')).toBe('AccessDenied')
    expect(await world.codeOf(ann, 'CreateAccessKey')).toBeUndefined()
  })
})

describe('access keys of the root', () => {
  it('the last key of an account stays, and the founding key stays for good', async () => {
    const { root } = world
    const founding = { AccessKeyId: FIRST_KEY }
    expect(await world.codeOf(root, 'DeleteAccessKey', founding)).toBe('DeleteConflict')
    const mine = await world.key(root)
    expect((await world.identity(mine)).isRoot).toBe(true)
    await world.run(root, 'DeleteAccessKey', { AccessKeyId: mine })
    expect(await world.credential(mine)).toBeUndefined()

    const other = await world.account('other')
    const [first] = names(
      await world.run(other, 'ListAccessKeys'),
      'AccessKeyMetadata',
      'AccessKeyId',
    ) as string[]
    const off = { AccessKeyId: first as string, Status: 'Inactive' }
    expect(await world.codeOf(other, 'UpdateAccessKey', off)).toBe('DeleteConflict')
    expect(await world.codeOf(other, 'DeleteAccessKey', { AccessKeyId: first as string })).toBe(
      'DeleteConflict',
    )
    const second = await world.key(other)
    expect(await world.codeOf(other, 'CreateAccessKey')).toBe('LimitExceeded')
    // When both are disabled at once, one of them stays active.
    const codes = await Promise.all(
      [first as string, second].map((id) =>
        world.codeOf(other, 'DeleteAccessKey', { AccessKeyId: id }),
      ),
    )
    expect(codes.filter((code) => code === 'DeleteConflict')).toHaveLength(1)
    expect(codes).toContain(undefined)
    const left = await world.run(other, 'ListAccessKeys')
    expect(names(left, 'AccessKeyMetadata', 'Status')).toEqual(['Active'])
    expect(await world.key(other)).toMatch(/^AKIA/)
  })
})
