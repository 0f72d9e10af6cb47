/**
 * The certificate of libp2p's TLS, as https://github.com/libp2p/specs/blob/master/tls/tls.md describes it: signed by a
 * key of its own, with an extension in which the node's key vouches for that key.
 */

import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { utf8 } from '../../protocol/bytes.ts'
import {
  BIT_STRING,
  BOOLEAN,
  decodeDer,
  encodeDer,
  INTEGER,
  OBJECT_ID,
  OCTET_STRING,
  SEQUENCE,
} from './der.ts'
import type { DerValue } from './der.ts'

/** 1.3.6.1.4.1.53594.1.1 */
const EXTENSION_ID = Uint8Array.of(0x2b, 6, 1, 4, 1, 0x83, 0xa2, 0x5a, 1, 1)
/** ecdsa-with-SHA256 */
const SIGNATURE_ID = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)
const PREFIX = utf8('libp2p-tls-handshake:')
const VERSION = 0xa0
const EXTENSIONS = 0xa3
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
/** Where these are in a certificate that begins with its version. */
const VALIDITY_AT = 4
const PUBLIC_KEY_AT = 6

/** In PEM. */
export interface OwnCertificate {
  readonly cert: string
  readonly key: string
}

/** A certificate for this node's key. It is valid for ever, and made once for each process. */
export async function makeCertificate(nodeKey: PrivateKey): Promise<OwnCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const proof = await nodeKey.sign(Buffer.concat([PREFIX, spki]))
  const extension = encodeDer(
    SEQUENCE,
    encodeDer(OBJECT_ID, EXTENSION_ID),
    encodeDer(BOOLEAN, Uint8Array.of(0xff)),
    encodeDer(
      OCTET_STRING,
      encodeDer(
        SEQUENCE,
        encodeDer(OCTET_STRING, publicKeyToProtobuf(nodeKey.publicKey)),
        encodeDer(OCTET_STRING, proof),
      ),
    ),
  )
  // A positive number that differs from key to key.
  const serial = Buffer.concat([
    Uint8Array.of(1),
    createHash('sha256').update(spki).digest().subarray(0, 8),
  ])
  const algorithm = encodeDer(SEQUENCE, encodeDer(OBJECT_ID, SIGNATURE_ID))
  const body = encodeDer(
    SEQUENCE,
    encodeDer(VERSION, encodeDer(INTEGER, Uint8Array.of(2))),
    encodeDer(INTEGER, serial),
    algorithm,
    encodeDer(SEQUENCE),
    encodeDer(
      SEQUENCE,
      encodeDer(UTC_TIME, utf8('700101000000Z')),
      encodeDer(GENERALIZED_TIME, utf8('99991231235959Z')),
    ),
    encodeDer(SEQUENCE),
    spki,
    encodeDer(EXTENSIONS, encodeDer(SEQUENCE, extension)),
  )
  const signature = encodeDer(BIT_STRING, Uint8Array.of(0), sign('sha256', body, privateKey))
  const der = Buffer.from(encodeDer(SEQUENCE, body, algorithm, signature))
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/**
 * Whose certificate it is. Throws unless it is valid at this time, signed by its own key, and that peer's key vouches for
 * its key. Peers are told apart by that key alone, so it is compared with the one that OpenSSL has read and that the
 * handshake has proved.
 */
export async function peerOfCertificate(
  certificate: X509Certificate,
  nowMs: number,
): Promise<PeerId> {
  if (certificate.issuer !== certificate.subject || !certificate.verify(certificate.publicKey)) {
    throw new Error('the certificate is not signed by its own key')
  }
  const { validity, spki, extensions } = partsOf(certificate.raw)
  checkTime(validity, nowMs)
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(spki)) {
    throw new Error('the key in the certificate is not in its usual form')
  }
  const [key, proof] = proofIn(extensions)
  const peerKey = publicKeyFromProtobuf(key)
  if (!(await peerKey.verify(Buffer.concat([PREFIX, spki]), proof))) {
    throw new Error('the certificate is not proved by its peer')
  }
  return peerIdFromPublicKey(peerKey)
}

function checkTime(validity: DerValue, nowMs: number): void {
  const [from, to, ...rest] = childrenOf(validity)
  if (from === undefined || to === undefined || rest.length > 0) {
    throw new Error('the certificate lacks a part')
  }
  if (!(timeOf(from) <= nowMs)) throw new Error('the certificate is not valid yet')
  if (!(nowMs <= timeOf(to))) throw new Error('the certificate has expired')
}

/** Milliseconds since 1970. Node's own reading takes a month of 99 for some other month. */
function timeOf({ tag, contents }: DerValue): number {
  let text = Buffer.from(contents).toString('latin1')
  // Two digits of a year are those from 1950 to 2049.
  if (tag === UTC_TIME) text = `${text < '50' ? 20 : 19}${text}`
  else if (tag !== GENERALIZED_TIME) text = ''
  const iso = text.replace(TIME, '$1-$2-$3T$4:$5:$6.000Z')
  const timeMs = Date.parse(iso)
  if (iso === text || Number.isNaN(timeMs) || new Date(timeMs).toISOString() !== iso) {
    throw new Error('a time in the certificate is not valid')
  }
  return timeMs
}

interface Parts {
  readonly validity: DerValue
  /** The public key with all that describes it. */
  readonly spki: Uint8Array
  readonly extensions: readonly DerValue[]
}

function partsOf(der: Uint8Array): Parts {
  const [body] = childrenOf(only(decodeDer(der), SEQUENCE))
  if (body?.tag !== SEQUENCE) throw new Error('the certificate has no body')
  const parts = decodeDer(body.contents)
  const [validity, spki] = [parts[VALIDITY_AT], parts[PUBLIC_KEY_AT]]
  if (parts[0]?.tag !== VERSION || validity?.tag !== SEQUENCE || spki?.tag !== SEQUENCE) {
    throw new Error('the certificate lacks a part')
  }
  const extensions = parts.slice(PUBLIC_KEY_AT + 1).filter(({ tag }) => tag === EXTENSIONS)
  return {
    validity,
    spki: spki.whole,
    extensions: childrenOf(only(childrenOf(only(extensions, EXTENSIONS)), SEQUENCE)),
  }
}

/** The peer's public key, and what it has signed. Other extensions may be there too, and mean nothing. */
function proofIn(extensions: readonly DerValue[]): [Uint8Array, Uint8Array] {
  const proofs = extensions
    .map((extension) => childrenOf(only([extension], SEQUENCE)))
    .filter(([id]) => id?.tag === OBJECT_ID && Buffer.from(EXTENSION_ID).equals(id.contents))
  const [proof, ...others] = proofs
  if (proof === undefined || others.length > 0) {
    throw new Error('the certificate needs one proof of a peer')
  }
  // Whether it is critical may stand between them.
  const value = only(proof[1]?.tag === BOOLEAN ? proof.slice(2) : proof.slice(1), OCTET_STRING)
  const [key, signature, ...rest] = childrenOf(only(decodeDer(value.contents), SEQUENCE))
  if (key?.tag !== OCTET_STRING || signature?.tag !== OCTET_STRING || rest.length > 0) {
    throw new Error('the proof in the certificate is not valid')
  }
  return [key.contents, signature.contents]
}

/** The one value, which has this tag. */
function only(values: readonly DerValue[], tag: number): DerValue {
  const [value, ...rest] = values
  if (value?.tag !== tag || rest.length > 0) throw new Error('the certificate lacks a part')
  return value
}

function childrenOf(value: DerValue): DerValue[] {
  return decodeDer(value.contents)
}
