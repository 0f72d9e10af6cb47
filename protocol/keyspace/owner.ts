/**
 * The owner that a block belongs to for good (G5): the registers that may ever name its data id. The block's own record
 * has it, so that an orphan can be judged from its bytes alone.
 *
 *   object's register key                              packed block, blocks, page of one object
 *   upload's register key ‖ part number u16            of a part; 0: the manifest of a completion
 */

import { readU16, u16 } from '../bytes.ts'
import type { ByteString, RegisterKey } from '../ids.ts'
import { checkInput } from '../input.ts'
import { partitionOfKey } from './key.ts'
import {
  bucketIdOf,
  objectKeyOf,
  objectRegister,
  partRegister,
  shardOfKey,
  spaceOf,
  uploadIdOf,
} from './register-key.ts'

declare const brand: unique symbol
export type BlockOwner = ByteString & { readonly [brand]: 'BlockOwner' }

export function ownedByObject(object: RegisterKey): BlockOwner {
  checkInput(spaceOf(object) === 'object', 'the key of an object')
  return object as ByteString as BlockOwner
}

export function ownedByPart(upload: RegisterKey, partNumber: number): BlockOwner {
  checkInput(spaceOf(upload) === 'upload', 'the key of an upload')
  return (upload + u16(partNumber)) as BlockOwner
}

export function ownedByManifest(upload: RegisterKey): BlockOwner {
  return ownedByPart(upload, 0)
}

export interface OwnerChain {
  /** Absent for blocks of plain objects, and for manifests. */
  readonly part?: RegisterKey
  readonly upload?: RegisterKey
  readonly object: RegisterKey
}

/** The registers that may name the block, in the order in which they are to be asked. Undefined when
 * the bytes are not an owner. */
export function chainOf(owner: BlockOwner, bits: number): OwnerChain | undefined {
  if (owner.length < 4) return undefined
  const space = spaceOf(owner as ByteString as RegisterKey)
  if (space === 'object') return { object: owner as ByteString as RegisterKey }
  if (space !== 'upload' || owner.length < 2 + 1 + 16 + 2 + 1 + 16 + 2) return undefined
  const upload = owner.slice(0, -2) as RegisterKey
  const bucket = bucketIdOf(upload)
  if (bucket === undefined) return undefined
  const shard = shardOfKey(upload)
  const object = objectRegister(bucket, shard, objectKeyOf(upload), bits)
  const number = readU16(owner, owner.length - 2)
  if (number === 0) return { upload, object }
  return { part: partRegister(bucket, shard, uploadIdOf(upload), number, bits), upload, object }
}

/** Where the registers of the chain lie: all in one partition. */
export function partitionOfOwner(owner: BlockOwner): number {
  return partitionOfKey(owner as ByteString as RegisterKey)
}
