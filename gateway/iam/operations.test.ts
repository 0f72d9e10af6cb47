import { describe, expect, it } from 'vitest'
import { IamError, type QueryRecord } from '../port/iam-backend.ts'
import { ABSENT_ACTIONS } from './absent.ts'
import { IAM_ACTIONS } from './operations.ts'
import { checkParameters } from './parameters.ts'
import { unfold } from './query.ts'
import { foreignThing, resourceOf } from './resource.ts'

const caller = {
  accountId: '123456789012',
  principalArn: 'arn:aws:iam::123456789012:user/me',
  principalId: 'AIDAME',
  userName: 'me',
  type: 'User' as const,
  isRoot: false,
  policies: [],
}

function check(action: string, parameters: Record<string, string>): QueryRecord {
  const definition = IAM_ACTIONS.get(action)
  if (definition === undefined) throw new Error(`${action} is not defined`)
  return checkParameters(definition.parameters, unfold(Object.entries(parameters)))
}

function refusal(action: string, parameters: Record<string, string>): string {
  try {
    check(action, parameters)
    return 'accepted'
  } catch (error) {
    return error instanceof IamError ? `${error.status} ${error.code} ${error.message}` : 'thrown'
  }
}

const arnOf = (accountId: string, kind: string, name: string): Promise<string> =>
  Promise.resolve(`arn:aws:iam::${accountId}:${kind}/at/${name}`)

async function resources(action: string, parameters: Record<string, string>): Promise<unknown[]> {
  const definition = IAM_ACTIONS.get(action)
  const found: unknown[] = []
  for (const rule of definition?.resources ?? []) {
    found.push(await resourceOf(rule, check(action, parameters), caller, arnOf))
  }
  return found.filter((arn) => arn !== undefined)
}

describe('actions of the query API', () => {
  it('are each defined once, as implemented or absent', () => {
    for (const name of ABSENT_ACTIONS) expect(IAM_ACTIONS.has(name)).toBe(false)
    expect(new Set(ABSENT_ACTIONS).size).toBe(ABSENT_ACTIONS.length)
    for (const [name, definition] of IAM_ACTIONS) {
      expect(definition.name).toBe(name)
      expect(definition.resources.length).toBeGreaterThan(0)
      expect(definition.action).toMatch(/^(iam|sts|shoal|kms):[A-Z][A-Za-z]+$/)
    }
  })

  it('accept known parameters of the right form', () => {
    expect(check('CreateUser', { Action: 'CreateUser', Version: 'x', UserName: 'ann' })).toEqual({
      UserName: 'ann',
    })
    expect(check('TagUser', { UserName: 'a', Tags: '' })).toEqual({ UserName: 'a', Tags: [] })
    expect(check('ListUsers', { Marker: '', MaxItems: '', PathPrefix: '' })).toEqual({})
    expect(check('CreateUser', { UserName: 'a', Path: '' })).toEqual({ UserName: 'a' })
    expect(check('GetSessionToken', { DurationSeconds: '' })).toEqual({})
    expect(refusal('CreateUser', {})).toBe(
      "400 ValidationError 1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null",
    )
    expect(refusal('CreateUser', { UserName: 'a b' })).toMatch(/^400 ValidationError .*pattern/)
    expect(refusal('CreateUser', { UserName: 'a'.repeat(65) })).toMatch(/less than or equal to 64/)
    expect(refusal('CreateUser', { UserName: '' })).toMatch(/greater than or equal to 1/)
    // An absent value would mean the caller, or a session with all rights.
    expect(refusal('GetUser', { UserName: '' })).toMatch(/greater than or equal to 1/)
    expect(
      refusal('AssumeRole', {
        RoleArn: 'arn:aws:iam::123456789012:role/r',
        RoleSessionName: 'sess',
        Policy: '',
      }),
    ).toMatch(/greater than or equal to 1/)
    expect(refusal('CreateUser', { UserName: 'a', Path: 'ops' })).toMatch(/ValidationError/)
    expect(refusal('CreateUser', { 'UserName.member.1': 'a' })).toMatch(/^400 MalformedInput/)
    expect(refusal('TagUser', { UserName: 'a', 'Tags.member.1': 'x' })).toMatch(/MalformedInput/)
    expect(refusal('ListUsers', { MaxItems: '0' })).toMatch(/greater than or equal to 1/)
    expect(refusal('ListUsers', { MaxItems: '1e2' })).toMatch(/integer/)
    expect(refusal('ListUsers', { MaxItems: '1001' })).toMatch(/less than or equal to 1000/)
    expect(refusal('UpdateAccessKey', { AccessKeyId: 'AKIA', Status: 'On' })).toMatch(/enum/)
  })

  it('refuse unknown parameters, which could have been a limit', () => {
    const boundary = { GroupName: 'a', PermissionsBoundary: 'arn:aws:iam::1:policy/x' }
    expect(refusal('CreateGroup', boundary)).toMatch(/^501 NotImplemented .*PermissionsBoundary/)
    expect(refusal('CreateUser', { UserName: 'a', ['__proto__']: 'x' })).toMatch(/^501/)
    expect(refusal('CreateUser', { UserName: 'a', toString: 'x' })).toMatch(/^501/)
    const inner = { UserName: 'a', 'Tags.member.1.Key': 'k', 'Tags.member.1.Kind': 'x' }
    expect(refusal('TagUser', inner)).toMatch(/^501/)
  })
})

describe('the resources of an action', () => {
  it('are the ARNs that the request means', async () => {
    const user = (path: string) => `arn:aws:iam::123456789012:user${path}`
    expect(await resources('GetUser', {})).toEqual([user('/me')])
    expect(await resources('GetUser', { UserName: 'ann' })).toEqual([user('/at/ann')])
    expect(await resources('CreateUser', { UserName: 'ann', Path: '/x/' })).toEqual([
      user('/x/ann'),
    ])
    expect(await resources('UpdateUser', { UserName: 'ann' })).toEqual([user('/at/ann')])
    expect(await resources('UpdateUser', { UserName: 'ann', NewUserName: 'eve' })).toEqual([
      user('/at/ann'),
      user('/at/eve'),
    ])
    expect(await resources('UpdateUser', { UserName: 'ann', NewPath: '/y/' })).toEqual([
      user('/at/ann'),
      user('/y/ann'),
    ])
    expect(await resources('ListUsers', { PathPrefix: '/ops/' })).toEqual([user('/ops/')])
    expect(await resources('CreatePolicy', { PolicyName: 'p', PolicyDocument: '{}' })).toEqual([
      'arn:aws:iam::123456789012:policy/p',
    ])
    expect(await resources('GetAccount', { AccountId: '999999999999' })).toEqual([
      'arn:aws:shoal::123456789012:account/999999999999',
    ])
  })

  it("distinguish policies of other accounts from one's own and from AWS's", () => {
    const arn = (account: string) => ({ PolicyArn: `arn:aws:iam::${account}:policy/p` })
    expect(foreignThing(arn('123456789012'), caller)).toBeUndefined()
    expect(foreignThing(arn('aws'), caller)).toBeUndefined()
    expect(foreignThing(arn('999999999999'), caller)).toBe('policy')
    expect(foreignThing({}, caller)).toBeUndefined()
    const provider = (account: string): QueryRecord => ({
      OpenIDConnectProviderArn: `arn:aws:iam::${account}:oidc-provider/idp.example.org/a`,
    })
    expect(foreignThing(provider('123456789012'), caller)).toBeUndefined()
    expect(foreignThing(provider('999999999999'), caller)).toBe('identity provider')
  })
})
