/**
 * Identifiers. Each is a branded type made by a checking constructor, so that a bucket name can't be
 * passed where a node id is meant. The constructors throw InputError: ids come in messages, records and files.
 *
 * A `ByteString` is a JavaScript string in which each UTF-16 unit is one byte (0..255). It compares
 * with `<` in byte order, works as a key of a Map, and costs one byte a character in V8.
 */

import { checkInput, InputError } from './input.ts'

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

export type ByteString = string

/** Base58 without 0, O, I and l: a libp2p peer id. */
export const NODE_ID = /^[1-9A-HJ-NP-Za-km-z]{8,128}$/

/** libp2p PeerId of a node, as base58 text. */
export type NodeId = Brand<string, 'NodeId'>
/** 12 random bytes drawn when a data directory is formatted (D1), as 24 lower-case hex digits. */
export type StorageId = Brand<string, 'StorageId'>
/** 16 random bytes drawn when a cluster is founded, as 32 lower-case hex digits. */
export type ClusterId = Brand<string, 'ClusterId'>
/** 16 random bytes drawn when a bucket is created: its incarnation (T8), as a ByteString. */
export type BucketId = Brand<ByteString, 'BucketId'>
/** One attempt to store object data (G5): storage id (12) ‖ boot (4) ‖ attempt (8), as a ByteString. */
export type DataId = Brand<ByteString, 'DataId'>
/** One attempt to change a register (P4): 16 random bytes, as a ByteString. */
export type OperationId = Brand<ByteString, 'OperationId'>
/** partition (2) ‖ space (1) ‖ name: see keyspace/key.ts. Orders as listings do. */
export type RegisterKey = Brand<ByteString, 'RegisterKey'>
/** partition (2) ‖ data id (24) ‖ index (4): see keyspace/key.ts. */
export type BlockKey = Brand<ByteString, 'BlockKey'>
/** Who proposes: storage id (12) ‖ boot (4), so that no counter is used twice after a crash (P1). */
export type ProposerId = Brand<ByteString, 'ProposerId'>

export const DATA_ID_BYTES = 24
export const BUCKET_ID_BYTES = 16
export const OPERATION_ID_BYTES = 16
export const PROPOSER_ID_BYTES = 16

export function nodeId(text: string): NodeId {
  if (!NODE_ID.test(text)) throw new InputError(`not a node id: ${text.slice(0, 80)}`)
  return text as NodeId
}

export function storageId(text: string): StorageId {
  if (!/^[0-9a-f]{24}$/.test(text)) throw new InputError(`not a storage id: ${text.slice(0, 80)}`)
  return text as StorageId
}

export function clusterId(text: string): ClusterId {
  if (!/^[0-9a-f]{32}$/.test(text)) throw new InputError(`not a cluster id: ${text.slice(0, 80)}`)
  return text as ClusterId
}

export function bucketId(bytes: ByteString): BucketId {
  checkInput(bytes.length === BUCKET_ID_BYTES, 'a bucket id has 16 bytes')
  return bytes as BucketId
}

export function dataId(bytes: ByteString): DataId {
  checkInput(bytes.length === DATA_ID_BYTES, 'a data id has 24 bytes')
  return bytes as DataId
}

export function operationId(bytes: ByteString): OperationId {
  checkInput(bytes.length === OPERATION_ID_BYTES, 'an operation id has 16 bytes')
  return bytes as OperationId
}

export function proposerId(bytes: ByteString): ProposerId {
  checkInput(bytes.length === PROPOSER_ID_BYTES, 'a proposer id has 16 bytes')
  return bytes as ProposerId
}

/** The last characters of a node id: the first are the same for all. As an argument they name the node. */
export function shortId(node: string): string {
  return node.slice(-8)
}
