import { describe, expect, it } from 'vitest'
import { utf8 } from '../bytes.ts'
import {
  decodeAccessKey,
  decodeUser,
  encodeAccessKey,
  encodeUser,
  principalArn,
} from './identity.ts'

const user = {
  accountId: '000000000001',
  name: 'ann',
  createdMs: 5,
  policies: [{ name: 'read', text: '{"Statement":[]}' }],
}
const key = {
  accessKeyId: 'AKIA1',
  accountId: '000000000001',
  userName: 'ann',
  sealedSecret: 'c2VhbGVk',
  status: 'Active' as const,
  createdMs: 5,
}

describe('identity records', () => {
  it('come back as they were', () => {
    expect(decodeUser(encodeUser(user))).toEqual(user)
    expect(decodeAccessKey(encodeAccessKey(key))).toEqual(key)
    const { userName: _, ...root } = key
    expect(decodeAccessKey(encodeAccessKey(root))).toEqual(root)
  })

  it('of a later version or another shape are refused (fault 20)', () => {
    const later = encodeUser(user)
    later[0] = 2
    expect(() => decodeUser(later)).toThrow(/version 2/)
    expect(() => decodeUser(new Uint8Array(0))).toThrow(/version none/)
    expect(() => decodeUser(utf8('\u0001{"a":1}'))).toThrow(/unknown field a/)
    expect(() => decodeAccessKey(encodeUser(user))).toThrow(/unknown field/)
    expect(() => decodeUser(encodeUser({ ...user, name: 'a/b' }))).toThrow(/another form/)
    const status = 'Sleeping' as 'Active'
    expect(() => decodeAccessKey(encodeAccessKey({ ...key, status }))).toThrow(/known words/)
  })

  it('name their principal', () => {
    expect(principalArn('000000000001', 'ann')).toBe('arn:aws:iam::000000000001:user/ann')
    expect(principalArn('000000000001', undefined)).toBe('arn:aws:iam::000000000001:root')
  })
})
