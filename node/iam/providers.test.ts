import { beforeEach, describe, expect, test } from 'vitest'
import { allow, FIRST_ACCOUNT, IamWorld } from './testing/world.ts'

const Url = 'https://idp.example.org/realms/a/'
const OpenIDConnectProviderArn = `arn:aws:iam::${FIRST_ACCOUNT}:oidc-provider/idp.example.org/realms/a/`
const THUMB = 'a'.repeat(40)

let world: IamWorld

beforeEach(() => {
  world = new IamWorld()
})

const create = (more: Readonly<Record<string, string>> = {}) =>
  world.run(world.root, 'CreateOpenIDConnectProvider', { Url, ...more })
const run = (action: string, more: Readonly<Record<string, string>> = {}) =>
  world.run(world.root, action, { OpenIDConnectProviderArn, ...more })
const shown = () => run('GetOpenIDConnectProvider')

describe('OIDC providers', () => {
  test('are created, shown, listed and deleted', async () => {
    const given = {
      'ClientIDList.member.1': 'app',
      'ThumbprintList.member.1': THUMB,
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'blue',
    }
    const Tags = [{ Key: 'team', Value: 'blue' }]
    expect(await create(given)).toEqual({ OpenIDConnectProviderArn, Tags })
    expect(await shown()).toEqual({
      Url: 'idp.example.org/realms/a/',
      ClientIDList: ['app'],
      ThumbprintList: [THUMB],
      CreateDate: new Date(world.nowMs),
      Tags,
    })
    await expect(create()).rejects.toThrow(/already exists/)
    const { OpenIDConnectProviderList: listed } = await world.run(
      world.root,
      'ListOpenIDConnectProviders',
    )
    expect(listed).toEqual([{ Arn: OpenIDConnectProviderArn }])
    await run('DeleteOpenIDConnectProvider')
    await expect(shown()).rejects.toThrow(/cannot be found/)
    await expect(run('DeleteOpenIDConnectProvider')).rejects.toThrow(/cannot be found/)
  })

  test('keep client ids, thumbprints and tags, each once', async () => {
    await create()
    await run('AddClientIDToOpenIDConnectProvider', { ClientID: 'a' })
    await run('AddClientIDToOpenIDConnectProvider', { ClientID: 'a' })
    await run('AddClientIDToOpenIDConnectProvider', { ClientID: 'b' })
    await run('RemoveClientIDFromOpenIDConnectProvider', { ClientID: 'a' })
    await run('RemoveClientIDFromOpenIDConnectProvider', { ClientID: 'none' })
    await run('UpdateOpenIDConnectProviderThumbprint', { 'ThumbprintList.member.1': THUMB })
    const tag = { 'Tags.member.1.Key': 'k', 'Tags.member.1.Value': 'v' }
    await run('TagOpenIDConnectProvider', tag)
    expect(await run('ListOpenIDConnectProviderTags')).toMatchObject({
      Tags: [{ Key: 'k', Value: 'v' }],
      IsTruncated: false,
    })
    await run('UntagOpenIDConnectProvider', { 'TagKeys.member.1': 'k' })
    expect(await shown()).toMatchObject({ ClientIDList: ['b'], ThumbprintList: [THUMB] })
  })
})

describe('OIDC providers have bounds:', () => {
  test.each([
    'http://idp.example.org',
    'https://idp',
    'https://idp.example.org:8443',
    'https://idp.example.org/a?b=c',
    'https://',
    'https://idp.example.org/ä',
  ])('refuses the URL %s', async (wrong) => {
    await expect(create({ Url: wrong })).rejects.toThrow(/The URL of an identity provider/)
  })

  test('have at most 100 client ids, and thumbprints of 40 digits', async () => {
    const many = Array.from({ length: 100 }, (_, at) => [`ClientIDList.member.${at + 1}`, `c${at}`])
    await create(Object.fromEntries(many) as Record<string, string>)
    await expect(run('AddClientIDToOpenIDConnectProvider', { ClientID: 'd' })).rejects.toThrow(
      /Cannot exceed quota/,
    )
    await run('AddClientIDToOpenIDConnectProvider', { ClientID: 'c7' })
    const wrong = { 'ThumbprintList.member.1': 'x'.repeat(40) }
    await expect(run('UpdateOpenIDConnectProviderThumbprint', wrong)).rejects.toThrow(/thumbprint/)
  })

  test('take a further client only from those who have the rights of the roles that trust them (F31)', async () => {
    await create()
    const Statement = {
      Effect: 'Allow',
      Principal: { Federated: OpenIDConnectProviderArn },
      Action: 'sts:AssumeRoleWithWebIdentity',
    }
    const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    const lead = await world.user(world.root, 'lead', allow('iam:*'), allow('s3:Get*'))
    const add = (ClientID: string) =>
      world.codeOf(lead, 'AddClientIDToOpenIDConnectProvider', {
        OpenIDConnectProviderArn,
        ClientID,
      })
    expect(await add('a')).toBeUndefined()
    await world.run(world.root, 'CreateRole', { RoleName: 'r', AssumeRolePolicyDocument })
    expect(await add('b')).toBeUndefined()
    const policy = { RoleName: 'r', PolicyName: 'p', PolicyDocument: allow('s3:PutObject') }
    await world.run(world.root, 'PutRolePolicy', policy)
    expect(await add('c')).toBe('AccessDenied')
    expect(await shown()).toMatchObject({ ClientIDList: ['a', 'b'] })
  })
})
