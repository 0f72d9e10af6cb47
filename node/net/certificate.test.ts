/** The proof of a peer in its certificate. socket-tls.test.ts shows that other implementations agree. */

import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { makeCertificate, peerOfCertificate } from './certificate.ts'
import { BIT_STRING, encodeDer, OCTET_STRING, SEQUENCE } from './der.ts'
import { generateNodeKey, libp2pKey } from './identity.ts'
import {
  certificateWith,
  criticalExtensionOf,
  extensionOf,
  otherExtension,
  proofOf,
} from './testing/certificates.ts'
import type { Changes } from './testing/certificates.ts'

const NOW_MS = Date.UTC(2026, 0)
const newKey = (): PrivateKey => libp2pKey(generateNodeKey().privateKey)
const octets = (bytes: Uint8Array): Uint8Array => encodeDer(OCTET_STRING, bytes)

async function certificateOf(key: PrivateKey): Promise<X509Certificate> {
  return new X509Certificate((await makeCertificate(key)).cert)
}

async function judge(key: PrivateKey, changes: Changes): Promise<string> {
  const { certificate } = await certificateWith(key, changes)
  return (await peerOfCertificate(certificate, NOW_MS)).toString()
}

it('tells whose it is', async () => {
  for (let i = 0; i < 20; i++) {
    const key = newKey()
    const peer = await peerOfCertificate(await certificateOf(key), NOW_MS)
    expect(peer.toString()).toBe(peerIdFromPrivateKey(key).toString())
  }
})

const makeKey: Readonly<Record<string, () => Promise<PrivateKey>>> = {
  Ed25519: () => generateKeyPair('Ed25519'),
  secp256k1: () => generateKeyPair('secp256k1'),
  RSA: () => generateKeyPair('RSA', 2048),
}

it.each(Object.keys(makeKey))('tells a peer whose key is %s, and no other one', async (type) => {
  const [mine, theirs] = [await makeKey[type]!(), await makeKey[type]!()]
  const peer = await peerOfCertificate(await certificateOf(mine), NOW_MS)
  expect(peer.toString()).toBe(peerIdFromPrivateKey(mine).toString())
  const forged = { publicKey: theirs.publicKey, sign: mine.sign.bind(mine) } as PrivateKey
  await expect(peerOfCertificate(await certificateOf(forged), NOW_MS)).rejects.toThrow()
})

it('is refused when the key of its peer is of a type that makes no peer id', async () => {
  const certificate = await certificateOf(await generateKeyPair('ECDSA', 'P-256'))
  await expect(peerOfCertificate(certificate, NOW_MS)).rejects.toThrow()
})

it.each<[string, Changes]>([
  ['with a key of Ed25519', { pair: generateKeyPairSync('ed25519') }],
  ['with a key of RSA', { pair: generateKeyPairSync('rsa', { modulusLength: 2048 }) }],
  ['whose proof is critical', { extensions: (proof) => [criticalExtensionOf(proof)] }],
  [
    'with other extensions around the proof',
    { extensions: (proof) => [otherExtension(9), extensionOf(proof), otherExtension(300)] },
  ],
])('may be one %s', async (_name, changes) => {
  const key = newKey()
  expect(await judge(key, changes)).toBe(peerIdFromPrivateKey(key).toString())
})

const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherSpki = other.publicKey.export({ type: 'spki', format: 'der' })
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = pair.publicKey.export({ type: 'spki', format: 'der' })
const twice = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, bytes])

it.each<[string, Changes, string]>([
  ['the proof is for another key', { provedSpki: otherSpki }, 'not proved by its peer'],
  [
    'the proof is for the bare key',
    { pair, provedSpki: spki.subarray(-65) },
    'not proved by its peer',
  ],
  ['another key has signed it', { signer: other.privateKey }, 'not signed by its own key'],
  ['another one has issued it', { subject: 'b' }, 'not signed by its own key'],
  ['it has expired', { to: '20251231235959Z' }, 'has expired'],
  ['it is not valid yet', { from: '20260101000001Z' }, 'not valid yet'],
  ['it has no proof', { extensions: () => [otherExtension(9)] }, 'one proof'],
  [
    'it has two proofs',
    { extensions: (proof) => [extensionOf(proof), extensionOf(proof)] },
    'one proof',
  ],
  ['the proof is empty', { proof: () => new Uint8Array(0) }, 'lacks a part'],
  ['the proof is no sequence', { proof: octets }, 'lacks a part'],
  ['the proof ends too early', { proof: (k, s) => proofOf(k, s).subarray(0, -1) }, 'too early'],
  ['bytes follow the proof', { proof: (k, s) => twice(proofOf(k, s)) }, 'lacks a part'],
  ['the proof lacks a signature', { proof: (k) => encodeDer(SEQUENCE, octets(k)) }, 'not valid'],
  [
    'the proof has a third part',
    { proof: (k, s) => encodeDer(SEQUENCE, octets(k), octets(s), octets(s)) },
    'not valid',
  ],
  [
    'the proof is made of bits',
    { proof: (k, s) => encodeDer(SEQUENCE, encodeDer(BIT_STRING, k), encodeDer(BIT_STRING, s)) },
    'not valid',
  ],
  ['a length in the proof is longer than it needs to be', { proof: longLength }, 'length'],
  ['the signature is empty', { proof: (k) => proofOf(k, new Uint8Array(0)) }, ''],
  ['the signature is too long', { proof: (k, s) => proofOf(k, twice(s)) }, ''],
  ['the key of the peer is empty', { proof: (_, s) => proofOf(new Uint8Array(0), s) }, ''],
  ['the key of the peer is cut', { proof: (k, s) => proofOf(k.subarray(0, -1), s) }, ''],
  [
    'the key of the peer is of no type',
    { proof: (_, s) => proofOf(Uint8Array.of(8, 9, 18, 0), s) },
    '',
  ],
])('is refused when %s', async (_name, changes, reason) => {
  await expect(judge(newKey(), changes)).rejects.toThrow(reason)
})

/** A sequence that tells its length by two bytes although one would do. */
function longLength(key: Uint8Array, signature: Uint8Array): Uint8Array {
  const contents = proofOf(key, signature).subarray(2)
  return Buffer.concat([Uint8Array.of(SEQUENCE, 0x82, 0, contents.length), contents])
}

it.each<[string, Changes]>([
  ['begins in a month of 99', { from: '20209901000000Z' }],
  ['begins on a day that was not', { from: '20250229000000Z' }],
  ['ends in a second of 61', { to: '20900101000061Z' }],
])('is refused when it %s', async (_name, changes) => {
  await expect(judge(newKey(), changes)).rejects.toThrow('a time in the certificate')
})

it('is refused when the proof is for the key as we read it, and OpenSSL reads another one', async () => {
  const key = newKey()
  const { certificate } = await certificateWith(key)
  const seen = { ...fieldsOf(certificate), publicKey: other.publicKey } as X509Certificate
  await expect(peerOfCertificate(seen, NOW_MS)).rejects.toThrow('usual form')
})

function fieldsOf(certificate: X509Certificate): Partial<X509Certificate> {
  const { raw, issuer, subject } = certificate
  return { raw, issuer, subject, verify: () => true }
}

it('is refused when the proof was made for an earlier certificate', async () => {
  const key = newKey()
  let stolen: Uint8Array | undefined
  const replaying = {
    publicKey: key.publicKey,
    sign: async (bytes: Uint8Array) => (stolen ??= await key.sign(bytes)),
  } as PrivateKey
  await peerOfCertificate(await certificateOf(replaying), NOW_MS)
  await expect(peerOfCertificate(await certificateOf(replaying), NOW_MS)).rejects.toThrow(
    'not proved by its peer',
  )
})

it('is refused with any byte of it changed, and cut anywhere', async () => {
  const { raw } = await certificateOf(newKey())
  const judged = async (bytes: Uint8Array): Promise<unknown> =>
    peerOfCertificate(new X509Certificate(bytes), NOW_MS)
  for (let at = 0; at < raw.length; at++) {
    for (const flip of [1, 0x80]) {
      const changed = Buffer.from(raw)
      changed[at]! ^= flip
      await expect(async () => judged(changed), `byte ${at}`).rejects.toThrow()
    }
    await expect(async () => judged(raw.subarray(0, at)), `cut at ${at}`).rejects.toThrow()
  }
})

it('is refused before and after its time', async () => {
  const certificate = await certificateOf(newKey())
  await expect(peerOfCertificate(certificate, -1)).rejects.toThrow('not valid yet')
  await expect(peerOfCertificate(certificate, Date.UTC(10_000, 1))).rejects.toThrow('expired')
  await expect(peerOfCertificate(certificate, NaN)).rejects.toThrow()
})
