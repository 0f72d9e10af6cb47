/** Certificates of libp2p's TLS that are wrong in one way, or unusual. */

import { generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { utf8 } from '../../../protocol/bytes.ts'
import {
  BIT_STRING,
  BOOLEAN,
  encodeDer,
  INTEGER,
  OBJECT_ID,
  OCTET_STRING,
  SEQUENCE,
} from '../der.ts'

export const PROOF_ID = Uint8Array.of(0x2b, 6, 1, 4, 1, 0x83, 0xa2, 0x5a, 1, 1)
const OTHER_ID = Uint8Array.of(0x2b, 6, 1, 4, 1, 0x83, 0xa2, 0x5a, 1, 9)
const COMMON_NAME = Uint8Array.of(0x55, 4, 3)
/** Of signatures with SHA-256, or of Ed25519's. */
const SIGNATURE_IDS: Readonly<Record<string, Uint8Array>> = {
  ec: Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2),
  rsa: Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 1, 11),
  ed25519: Uint8Array.of(0x2b, 0x65, 0x70),
}

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** How a certificate differs from a usual one. */
export interface Changes {
  readonly pair?: KeyPair
  /** The encoded key in the certificate, and in what the peer signs. */
  readonly spki?: Uint8Array
  readonly provedSpki?: Uint8Array
  readonly from?: string
  readonly to?: string
  readonly subject?: string
  /** Whoever signs the certificate. */
  readonly signer?: KeyObject
  readonly extensions?: (proof: Uint8Array) => Uint8Array[]
  /** The value of the extension, made of the peer's key and its signature. */
  readonly proof?: (key: Uint8Array, signature: Uint8Array) => Uint8Array
}

export interface TestCertificate {
  readonly certificate: X509Certificate
  /** In PEM. */
  readonly cert: string
  readonly key: string
}

export function proofOf(key: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeDer(SEQUENCE, encodeDer(OCTET_STRING, key), encodeDer(OCTET_STRING, signature))
}

export function extensionOf(value: Uint8Array, id: Uint8Array = PROOF_ID): Uint8Array {
  return encodeDer(SEQUENCE, encodeDer(OBJECT_ID, id), encodeDer(OCTET_STRING, value))
}

/** An extension that means nothing, of this many bytes. */
export function otherExtension(bytes: number): Uint8Array {
  return extensionOf(new Uint8Array(bytes), OTHER_ID)
}

export function criticalExtensionOf(value: Uint8Array): Uint8Array {
  const critical = encodeDer(BOOLEAN, Uint8Array.of(0xff))
  return encodeDer(
    SEQUENCE,
    encodeDer(OBJECT_ID, PROOF_ID),
    critical,
    encodeDer(OCTET_STRING, value),
  )
}

export async function certificateWith(
  peer: PrivateKey,
  changes: Changes = {},
): Promise<TestCertificate> {
  const pair = changes.pair ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = changes.spki ?? pair.publicKey.export({ type: 'spki', format: 'der' })
  const signature = await peer.sign(
    Buffer.concat([utf8('libp2p-tls-handshake:'), changes.provedSpki ?? spki]),
  )
  const proof = (changes.proof ?? proofOf)(publicKeyToProtobuf(peer.publicKey), signature)
  const extensions = changes.extensions?.(proof) ?? [extensionOf(proof)]
  const type = pair.privateKey.asymmetricKeyType ?? ''
  const algorithm = encodeDer(SEQUENCE, encodeDer(OBJECT_ID, SIGNATURE_IDS[type]!))
  const body = encodeDer(
    SEQUENCE,
    encodeDer(0xa0, encodeDer(INTEGER, Uint8Array.of(2))),
    encodeDer(INTEGER, Uint8Array.of(7)),
    algorithm,
    nameOf('a'),
    encodeDer(
      SEQUENCE,
      time(changes.from ?? '20200101000000Z'),
      time(changes.to ?? '99991231235959Z'),
    ),
    nameOf(changes.subject ?? 'a'),
    spki,
    encodeDer(0xa3, encodeDer(SEQUENCE, ...extensions)),
  )
  const signed = sign(type === 'ed25519' ? null : 'sha256', body, changes.signer ?? pair.privateKey)
  const bits = encodeDer(BIT_STRING, Uint8Array.of(0), signed)
  const certificate = new X509Certificate(encodeDer(SEQUENCE, body, algorithm, bits))
  const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { certificate, cert: certificate.toString(), key }
}

function nameOf(text: string): Uint8Array {
  const attribute = encodeDer(
    SEQUENCE,
    encodeDer(OBJECT_ID, COMMON_NAME),
    encodeDer(0x0c, utf8(text)),
  )
  return encodeDer(SEQUENCE, encodeDer(0x31, attribute))
}

function time(text: string): Uint8Array {
  return encodeDer(0x18, utf8(text))
}
