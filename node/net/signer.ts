/**
 * Ed25519 signatures by node:crypto, synchronous, with the same key as the libp2p identity. The signature of any
 * node is checked with its id alone, because the id holds the public key.
 */

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { NodeId } from '../../protocol/ids.ts'
import { nodeIdOfKey, publicKeyOfNode, rawPrivateKey } from './identity.ts'
import type { Signer } from '../env/ports.ts'

/** DER heads that turn 32 raw bytes into PKCS #8 and SPKI (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

/** Public keys kept parsed. With more nodes than this, keys are parsed again. */
const CACHED_KEYS_MAX = 4096

/** The Signer port of a real node. */
export class Ed25519Signer implements Signer {
  readonly nodeId: NodeId
  readonly #key: KeyObject
  readonly #publicKeys = new Map<NodeId, KeyObject>()

  /** @param privateKey as in identity.ts: libp2p's protobuf bytes */
  constructor(privateKey: Uint8Array) {
    this.nodeId = nodeIdOfKey(privateKey)
    const seed = rawPrivateKey(privateKey).subarray(0, 32)
    this.#key = createPrivateKey({
      key: Buffer.concat([PKCS8_HEAD, seed]),
      format: 'der',
      type: 'pkcs8',
    })
  }

  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, bytes, this.#key))
  }

  /** Also false when `signer` is no Ed25519 identity or the signature has another length. */
  verify(signer: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== 64) return false
    const key = this.#publicKey(signer)
    return key !== undefined && verify(null, bytes, key, signature)
  }

  #publicKey(node: NodeId): KeyObject | undefined {
    const cached = this.#publicKeys.get(node)
    if (cached !== undefined) return cached
    const raw = publicKeyOfNode(node)
    if (raw === undefined) return undefined
    const key = createPublicKey({
      key: Buffer.concat([SPKI_HEAD, raw]),
      format: 'der',
      type: 'spki',
    })
    if (this.#publicKeys.size >= CACHED_KEYS_MAX) this.#publicKeys.clear()
    this.#publicKeys.set(node, key)
    return key
  }
}
