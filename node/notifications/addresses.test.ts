import { expect, test } from 'vitest'
import { parseIpRange } from '../../protocol/iam/ip.ts'
import { mayConnect } from './addresses.ts'

test.each([
  '10.1.2.3',
  '127.0.0.1',
  '0.0.0.0',
  '169.254.169.254',
  '172.31.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  '::ffff:10.0.0.1',
  '::ffff:7f00:1',
  '::127.0.0.1',
  'fe80::1',
  'fc00::1',
  'fd12::1',
  'ff02::1',
  '64:ff9b::a00:1',
  '2002:a00:1::',
  '2001::1',
  '2001:db8::1',
  'fe80::1%eth0',
  'localhost',
  '0x7f.1',
  '',
])('%s is not connected to', (address) => {
  expect(mayConnect(address, [])).toBe(false)
})

test.each(['8.8.8.8', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
  '%s is public',
  (address) => {
    expect(mayConnect(address, [])).toBe(true)
  },
)

test('what the operator allows is connected to, and nothing beside it', () => {
  const allowed = [parseIpRange('10.1.0.0/16')!, parseIpRange('::1')!]
  expect(['10.1.2.3', '::ffff:10.1.2.3', '::1'].map((each) => mayConnect(each, allowed))).toEqual([
    true,
    true,
    true,
  ])
  expect(['10.2.0.1', '127.0.0.1'].map((each) => mayConnect(each, allowed))).toEqual([false, false])
})
