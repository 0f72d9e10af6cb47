/**
 * A node's Ed25519 identity: libp2p's private key in its protobuf form (as node.json keeps it) and the
 * PeerId that follows from it. A PeerId of this kind holds the whole public key (identity multihash),
 * so that a signature can be checked with the node id alone.
 */

import { generateKeyPairSync } from 'node:crypto'
import {
  privateKeyFromProtobuf,
  privateKeyFromRaw,
  privateKeyToProtobuf,
} from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { assert } from '../../protocol/assert.ts'
import { nodeId } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'

export interface NodeKey {
  /** Protobuf bytes, 68 of them. Secret: mode 0600, never in logs. */
  readonly privateKey: Uint8Array
  readonly nodeId: NodeId
}

/** Draws a new key from the operating system's random source. */
export function generateNodeKey(): NodeKey {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  assert(jwk.d !== undefined && jwk.x !== undefined, 'an Ed25519 key has d and x')
  const raw = new Uint8Array(64)
  raw.set(Buffer.from(jwk.d, 'base64url'), 0)
  raw.set(Buffer.from(jwk.x, 'base64url'), 32)
  const privateKey = privateKeyToProtobuf(privateKeyFromRaw(raw))
  return { privateKey, nodeId: nodeIdOfKey(privateKey) }
}

/** The stored key, or a new one when there is none. Throws when the bytes are no Ed25519 key. */
export function loadOrCreateKey(stored?: Uint8Array): NodeKey {
  return stored === undefined
    ? generateNodeKey()
    : { privateKey: stored, nodeId: nodeIdOfKey(stored) }
}

export function nodeIdOfKey(privateKey: Uint8Array): NodeId {
  return nodeId(peerIdFromPrivateKey(ed25519Key(privateKey)).toString())
}

/** libp2p's key object. Throws when the bytes are no Ed25519 key. */
export function libp2pKey(privateKey: Uint8Array): PrivateKey {
  return ed25519Key(privateKey)
}

/** Seed (32) ‖ public key (32). */
export function rawPrivateKey(privateKey: Uint8Array): Uint8Array {
  return ed25519Key(privateKey).raw
}

/** The 32 raw bytes of a node's public key, undefined when the id holds no Ed25519 key. */
export function publicKeyOfNode(node: NodeId): Uint8Array | undefined {
  try {
    const peer = peerIdFromString(node)
    return peer.type === 'Ed25519' ? peer.publicKey.raw : undefined
  } catch {
    return undefined
  }
}

function ed25519Key(privateKey: Uint8Array): Ed25519PrivateKey {
  const key = privateKeyFromProtobuf(privateKey)
  if (key.type !== 'Ed25519') throw new TypeError(`a node key is Ed25519, not ${key.type}`)
  return key
}
