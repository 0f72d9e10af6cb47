import { expect, it } from 'vitest'
import { listeningSockets, parsePeer } from './peers.ts'

it('reads name, address and keys of a peer', () => {
  expect(parsePeer('versitygw=http://127.0.0.1:9410,user,s3cr/et+=')).toEqual({
    name: 'versitygw',
    endpoint: 'http://127.0.0.1:9410',
    credentials: { accessKeyId: 'user', secretAccessKey: 's3cr/et+=' },
  })
  expect(parsePeer('garage=http://[::1]:3900/,k,s,garage')).toEqual({
    name: 'garage',
    endpoint: 'http://[::1]:3900',
    credentials: { accessKeyId: 'k', secretAccessKey: 's', region: 'garage' },
  })
})

it.each([
  ['versitygw', 'not NAME='],
  ['a=http://h,k', 'not NAME='],
  ['a=http://h,k,s,r,more', 'not NAME='],
  ['a=http://h,,s', 'not NAME='],
  ['a=https://h,k,s', 'not an http:// address'],
  ['a=h:9000,k,s', 'not an http:// address'],
  ['shoal=http://h,k,s', 'shoal is measured'],
])('refuses %s', (text, why) => {
  expect(() => parsePeer(text)).toThrow(why)
})

it('finds the sockets that listen on a port', () => {
  const text = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:24C2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1',
    '   1: 0100007F:24C2 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1',
    '   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1',
    '',
  ].join('\n')
  expect(listeningSockets(text, 9410)).toEqual(['4711'])
  expect(listeningSockets(text, 9411)).toEqual([])
})
