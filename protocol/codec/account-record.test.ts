import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOfHex, hex } from '../bytes.ts'
import { accountCodec, type AccountRecord } from './versioned.ts'

const millis = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const accounts: fc.Arbitrary<AccountRecord> = fc.record({
  accountId: fc.stringMatching(/^[0-9]{12}$/),
  buckets: fc.array(
    fc.record({
      name: fc.string(),
      incarnation: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      live: fc.boolean(),
      createdMs: millis,
    }),
    { maxLength: 4 },
  ),
  bucketsMax: fc.integer({ min: 0, max: 10_000 }),
  name: fc.string(),
  createdMs: millis,
  rootKeys: fc.array(fc.string(), { maxLength: 3 }),
  closed: fc.boolean(),
  alias: fc.string(),
  aliasClaim: fc.string(),
})

describe('the record of an account', () => {
  test('reads back what was written', () => {
    fc.assert(
      fc.property(accounts, (account) => {
        expect(accountCodec.decode(accountCodec.encode(account))).toEqual(account)
      }),
    )
  })

  test('of a program without aliases has none, and is written as before', () => {
    const account = {
      accountId: '100000000001',
      buckets: [],
      bucketsMax: 7,
      name: 'Blue',
      createdMs: 5,
      rootKeys: ['AKIA1'],
      closed: false,
      alias: '',
      aliasClaim: '',
    }
    const bytes = '010a0c313030303030303030303031180722'
    expect(hex(accountCodec.encode(account))).toBe(`${bytes}04426c756528053205414b494131`)
    expect(accountCodec.decode(bytesOfHex(`${bytes}04426c756528053205414b494131`))).toEqual(account)
  })
})
