import { beforeEach, describe, expect, it } from 'vitest'
import { utf8ByteString } from '../../protocol/bytes.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { accountCodec } from '../../protocol/codec/versioned.ts'
import { allow, FIRST_ACCOUNT, IamWorld, iamRandom, slow } from './testing/world.ts'

let world: IamWorld
const list = async (): Promise<Record<string, unknown>[]> =>
  (await world.run(world.root, 'ListAccounts'))['Accounts'] as Record<string, unknown>[]

beforeEach(() => {
  world = new IamWorld()
})

describe('accounts', () => {
  it('are created with a root key, listed, changed and deleted', async () => {
    const made = await world.run(world.root, 'CreateAccount', { Name: 'Team Blue' })
    const account = made['Account'] as Record<string, string>
    const key = made['AccessKey'] as Record<string, string>
    expect(account['AccountId']).toMatch(/^[0-9]{12}$/)
    const id = { AccountId: account['AccountId'] as string }
    const identity = await world.identity(key['AccessKeyId'] as string)
    expect(identity).toMatchObject({ accountId: id.AccountId, isRoot: true })
    expect(await list()).toEqual(
      [expect.objectContaining({ AccountId: FIRST_ACCOUNT }), account].sort((a, b) =>
        a['AccountId'] < b['AccountId'] ? -1 : 1,
      ),
    )
    await world.run(world.root, 'UpdateAccount', { ...id, BucketsMax: '7', Name: 'Blue' })
    expect(await world.run(world.root, 'GetAccount', id)).toMatchObject({
      Account: { Name: 'Blue', BucketsMax: 7, BucketCount: 0 },
    })
    await world.run(world.root, 'UpdateAccount', { ...id, BucketsMax: '0' })
    expect(await world.run(world.root, 'GetAccount', id)).toMatchObject({
      Account: { Name: 'Blue', BucketsMax: 100 },
    })
    await world.run(world.root, 'DeleteAccount', id)
    expect(await world.credential(key['AccessKeyId'] as string)).toBeUndefined()
    expect(await world.codeOf(world.root, 'GetAccount', id)).toBe('NoSuchEntity')
    expect(await world.codeOf(world.root, 'DeleteAccount', id)).toBe('NoSuchEntity')
    expect(await list()).toHaveLength(1)
  })

  it('are managed by administrators of the first account only', async () => {
    const other = await world.account('other')
    for (const [action, parameters] of [
      ['CreateAccount', { Name: 'more' }],
      ['ListAccounts', {}],
      ['GetAccount', { AccountId: other.accountId }],
      ['UpdateAccount', { AccountId: other.accountId, BucketsMax: '1000' }],
      ['DeleteAccount', { AccountId: other.accountId }],
    ] as const) {
      expect(await world.codeOf(other, action, parameters)).toBe('AccessDenied')
    }
    const first = { AccountId: FIRST_ACCOUNT }
    expect(await world.codeOf(world.root, 'DeleteAccount', first)).toBe('DeleteConflict')
  })

  it('keep their names apart: one name in two accounts is two users', async () => {
    const other = await world.account('other')
    const ann = await world.user(world.root, 'ann', allow('s3:*'))
    const theirs = await world.user(other, 'ann')
    expect(ann.accountId).not.toBe(theirs.accountId)
    expect(theirs.policies).toEqual([])
    await world.run(other, 'UpdateUser', { UserName: 'ann', NewUserName: 'eve' })
    expect(await world.run(world.root, 'GetUser', { UserName: 'ann' })).toBeDefined()
    const foreign = `arn:aws:iam::${FIRST_ACCOUNT}:policy/p`
    await world.run(world.root, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('*') })
    const attach = { UserName: 'eve', PolicyArn: foreign }
    expect(await world.codeOf(other, 'AttachUserPolicy', attach)).toBe('NoSuchEntity')
  })

  it('are counted', async () => {
    await world.run(world.root, 'CreateUser', { UserName: 'ann' })
    const { SummaryMap } = await world.run(world.root, 'GetAccountSummary')
    expect(Object.fromEntries(SummaryMap as Map<string, number>)).toEqual({
      Users: 1,
      Groups: 0,
      Providers: 0,
      Roles: 0,
      Policies: 0,
    })
  })
})

describe('deleting accounts', () => {
  it('succeeds only for empty accounts, and changes nothing otherwise', async () => {
    const other = await world.account('other')
    const id = { AccountId: other.accountId }
    const steps: [string, string, Record<string, string>][] = [
      ['CreateUser', 'DeleteUser', { UserName: 'u' }],
      ['CreateGroup', 'DeleteGroup', { GroupName: 'g' }],
    ]
    for (const [create, remove, parameters] of steps) {
      await world.run(other, create, parameters)
      expect(await world.codeOf(world.root, 'DeleteAccount', id)).toBe('DeleteConflict')
      await world.run(other, remove, parameters)
    }
    const arn = `arn:aws:iam::${other.accountId}:policy/p`
    await world.run(other, 'CreatePolicy', { PolicyName: 'p', PolicyDocument: allow('s3:*') })
    expect(await world.codeOf(world.root, 'DeleteAccount', id)).toBe('DeleteConflict')
    await world.run(other, 'DeletePolicy', { PolicyArn: arn })
    const register = systemRegister('account', utf8ByteString(other.accountId), {
      partitionBits: 4,
    })
    const value = world.registers.values.get(register) as RegisterValue
    const record = accountCodec.decode(value.body)
    const bucket = { name: 'b', incarnation: new Uint8Array(16), live: true, createdMs: 1 }
    const body = accountCodec.encode({ ...record, buckets: [bucket] })
    world.registers.values.set(register, { ...value, body })
    expect(await world.codeOf(world.root, 'DeleteAccount', id)).toBe('DeleteConflict')
    expect(await world.run(world.root, 'GetAccount', id)).toMatchObject({
      Account: { BucketCount: 1 },
    })
    world.registers.values.set(register, value)
    await world.run(world.root, 'DeleteAccount', id)
  })

  it('at the same time as a user is created: one of the two fails', async () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const inner = new IamWorld(seed)
      const other = await inner.account('other')
      const draw = iamRandom(seed)
      slow(inner.registers, draw)
      const later = async (): Promise<void> => {
        for (let ticks = draw() * 60; ticks > 0; ticks--) await Promise.resolve()
      }
      const [made, closed] = await Promise.all([
        later().then(() => inner.codeOf(other, 'CreateUser', { UserName: 'ann' })),
        later().then(() =>
          inner.codeOf(inner.root, 'DeleteAccount', { AccountId: other.accountId }),
        ),
      ])
      if (made === undefined && closed === undefined) throw new Error('a user of a closed account')
      outcomes.add(`${made ?? 'made'} ${closed ?? 'closed'}`)
    }
    expect(outcomes).toContain('made DeleteConflict')
    expect(outcomes).toContain('AccessDenied closed')
  })
})
