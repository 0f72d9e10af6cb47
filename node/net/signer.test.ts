import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { expect, test } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import { generateNodeKey, loadOrCreateKey, nodeIdOfKey } from './identity.ts'
import { Ed25519Signer } from './signer.ts'

test('a signature is checked with the node id alone', () => {
  const ours = generateNodeKey()
  const signer = new Ed25519Signer(ours.privateKey)
  const other = new Ed25519Signer(generateNodeKey().privateKey)
  const signature = signer.sign(utf8('layout 7'))

  expect(signer.nodeId).toBe(ours.nodeId)
  expect(other.verify(ours.nodeId, utf8('layout 7'), signature)).toBe(true)
  expect(other.verify(ours.nodeId, utf8('layout 8'), signature)).toBe(false)
  expect(other.verify(other.nodeId, utf8('layout 7'), signature)).toBe(false)
  expect(other.verify(ours.nodeId, utf8('layout 7'), signature.subarray(1))).toBe(false)
})

test('an id without an Ed25519 key verifies nothing', () => {
  const signer = new Ed25519Signer(generateNodeKey().privateKey)
  const rsa = nodeId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')
  expect(signer.verify(rsa, utf8('x'), new Uint8Array(64))).toBe(false)
  expect(signer.verify(nodeId('11111111'), utf8('x'), new Uint8Array(64))).toBe(false)
})

test('node:crypto and libp2p agree on the key', async () => {
  const key = generateNodeKey()
  const signature = new Ed25519Signer(key.privateKey).sign(utf8('hello'))
  const libp2p = privateKeyFromProtobuf(key.privateKey)
  expect(await libp2p.publicKey.verify(utf8('hello'), signature)).toBe(true)
  expect(loadOrCreateKey(key.privateKey).nodeId).toBe(key.nodeId)
  expect(nodeIdOfKey(loadOrCreateKey().privateKey)).not.toBe(key.nodeId)
  expect(() => loadOrCreateKey(new Uint8Array(5))).toThrow()
})
