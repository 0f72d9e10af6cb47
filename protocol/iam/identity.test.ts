import { describe, expect, it } from 'vitest'
import { utf8 } from '../bytes.ts'
import { accessKeyCodec } from './access-key-record.ts'
import { groupCodec } from './group-record.ts'
import {
  entityArn,
  PATH,
  POLICY_ARN,
  principalArn,
  providerArn,
  providerOfArn,
} from './identity.ts'
import { directoryCodec, nameCodec } from './name-record.ts'
import { policyCodec } from './policy-record.ts'
import { providerCodec } from './provider-record.ts'
import { roleCodec } from './role-record.ts'
import { userCodec } from './user-record.ts'

const token = '0123456789abcdef'
const user = {
  accountId: '000000000001',
  id: 'AIDAABCDEFGHIJKLMNOPQ',
  name: 'ann',
  path: '/ops/',
  renaming: '',
  createdMs: 5,
  policies: [{ name: 'read', text: '{"Statement":[]}' }],
  attached: [{ arn: 'arn:aws:iam::000000000001:policy/p', id: 'ANPAABCDEFGHIJKLMNOPQ', token }],
  groups: [{ id: 'AGPAABCDEFGHIJKLMNOPQ', token }],
  accessKeys: ['AKIA1'],
  tags: [{ key: 'team', value: 'blue' }],
}
const { groups: _groups, accessKeys: _keys, tags: _tags, ...common } = user
const group = { ...common, members: [{ id: user.id, token }] }
const key = {
  accessKeyId: 'AKIA1',
  accountId: '000000000001',
  userId: user.id,
  sealedSecret: 'c2VhbGVk',
  status: 'Active' as const,
  createdMs: 5,
}

describe('identity records', () => {
  it('come back as they were', () => {
    expect(userCodec.decode(userCodec.encode(user))).toEqual(user)
    expect(groupCodec.decode(groupCodec.encode(group))).toEqual(group)
    expect(accessKeyCodec.decode(accessKeyCodec.encode(key))).toEqual(key)
    const { userId: _, ...root } = key
    expect(accessKeyCodec.decode(accessKeyCodec.encode(root))).toEqual(root)
    const name = { id: user.id, token }
    expect(nameCodec.decode(nameCodec.encode(name))).toEqual(name)
    const directory = { entries: [{ id: user.id, name: 'ann', createdMs: 7 }] }
    expect(directoryCodec.decode(directoryCodec.encode(directory))).toEqual(directory)
  })

  it('keep a permissions boundary, and are as before without one', () => {
    const bounded = { ...user, boundary: user.attached[0] as (typeof user.attached)[0] }
    expect(userCodec.decode(userCodec.encode(bounded))).toEqual(bounded)
    expect(userCodec.decode(userCodec.encode(user))).not.toHaveProperty('boundary')
    const other = { ...bounded, boundary: { ...bounded.boundary, token: '' } }
    expect(() => userCodec.decode(userCodec.encode(other))).toThrow(/another form/)
    const { groups: _1, accessKeys: _2, renaming: _3, ...holder } = bounded
    const role = { ...holder, description: '', maxSessionSeconds: 3_600, trust: '{}' }
    const named = { ...role, id: 'AROAABCDEFGHIJKLMNOPQ' }
    expect(roleCodec.decode(roleCodec.encode(named))).toEqual(named)
    const { policies: _4, attached: _5, boundary: _6, ...entity } = holder
    const policy = {
      ...entity,
      id: 'ANPAABCDEFGHIJKLMNOPQ',
      updatedMs: 5,
      description: '',
      defaultVersion: 1,
      nextVersion: 2,
      versions: [{ number: 1, text: '{}', createdMs: 5 }],
      holders: [],
      bounded: [{ id: user.id, token }],
      deleting: '',
    }
    expect(policyCodec.decode(policyCodec.encode(policy))).toEqual(policy)
  })
})

describe('records of identity providers', () => {
  it('come back as they were', () => {
    const provider = {
      accountId: '000000000001',
      id: 'AOIPABCDEFGHIJKLMNOPQ',
      name: 'idp.example.org/realms/a/',
      createdMs: 5,
      clientIds: ['app', 'https://api.example.org'],
      thumbprints: ['0123456789abcdef0123456789ABCDEF01234567'],
      tags: [{ key: 'team', value: 'blue' }],
    }
    expect(providerCodec.decode(providerCodec.encode(provider))).toEqual(provider)
    for (const wrong of [{ name: 'idp' }, { thumbprints: ['x'] }, { createdMs: 1.5 }]) {
      const bytes = providerCodec.encode({ ...provider, ...wrong })
      expect(() => providerCodec.decode(bytes)).toThrow(/form|number/)
    }
    // A list of providers has their names, which are longer than others.
    const name = `idp.example.org/${'a'.repeat(230)}`
    const directory = { entries: [{ id: provider.id, name, createdMs: 7 }] }
    expect(directoryCodec.decode(directoryCodec.encode(directory))).toEqual(directory)
  })
})

describe('identity records', () => {
  it('of a later version or another shape are refused (F20)', () => {
    const later = userCodec.encode(user)
    later[0] = 2
    expect(() => userCodec.decode(later)).toThrow(/version 2/)
    expect(() => userCodec.decode(new Uint8Array(0))).toThrow(/version none/)
    expect(() => userCodec.decode(utf8('\u0001{"a":1}'))).toThrow(/unknown field a/)
    expect(() => accessKeyCodec.decode(userCodec.encode(user))).toThrow(/unknown field/)
    expect(() => userCodec.decode(userCodec.encode({ ...user, name: 'a/b' }))).toThrow(
      /another form/,
    )
    expect(() => groupCodec.decode(userCodec.encode(user))).toThrow(/unknown field/)
    const status = 'Sleeping' as 'Active'
    expect(() => accessKeyCodec.decode(accessKeyCodec.encode({ ...key, status }))).toThrow(
      /known words/,
    )
  })

  it('have paths that begin and end with a slash', () => {
    for (const path of ['/', '/a/', '/a/b/']) expect(PATH.test(path)).toBe(true)
    for (const path of ['', 'a/', '/a', '/a b/', '/ä/']) expect(PATH.test(path)).toBe(false)
  })

  it('name their principal', () => {
    expect(principalArn('000000000001', 'ann')).toBe('arn:aws:iam::000000000001:user/ann')
    expect(principalArn('000000000001', undefined)).toBe('arn:aws:iam::000000000001:root')
    const arn = entityArn('000000000001', 'policy', '/a/b/', 'read')
    expect(arn).toBe('arn:aws:iam::000000000001:policy/a/b/read')
    const provider = { accountId: '000000000001', name: 'idp.example.org/a' }
    expect(providerOfArn(providerArn(provider.accountId, provider.name))).toEqual(provider)
    expect(providerOfArn('arn:aws:iam::000000000001:oidc-provider/idp')).toBeUndefined()
    expect(POLICY_ARN.exec(arn)?.slice(1)).toEqual(['000000000001', '/a/b/', 'read'])
  })
})
