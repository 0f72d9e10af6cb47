import { expect, test } from 'vitest'
import { ANONYMOUS } from '../auth/authorize.ts'
import { addressGroup, holdersOf } from './callers.ts'
import { EXAMPLE_CREDENTIAL } from '../testing/requests.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:2:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8::5', '2001:db8:0:0::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
])('%s belongs to %s', (address, group) => {
  expect(addressGroup(address)).toBe(group)
})

test('signed requests count by identity, sessions of a role as one; others count by address', () => {
  const shares = { address: 0.25, caller: 0.5 }
  const { identity } = EXAMPLE_CREDENTIAL
  const session = (name: string) => ({ ...identity, principalId: `AROA1:${name}` })
  const names = (holders: readonly { name: string }[]): string[] => holders.map(({ name }) => name)
  const [one, other] = ['a', 'b'].map((name) => names(holdersOf(session(name), '::1', shares)))
  expect(one).toEqual(other)
  expect(names(holdersOf(identity, '192.0.2.1', shares))).not.toEqual(one)
  expect(names(holdersOf(identity, '192.0.2.1', shares))).toEqual(
    names(holdersOf(identity, '192.0.2.2', shares)),
  )
  expect(names(holdersOf(ANONYMOUS, '192.0.2.1', shares))).toEqual([
    'address 192.0.2.1',
    'strangers',
  ])
})
