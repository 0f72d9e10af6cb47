/** A tombstone for a register that is absent: readers find the same as before. */

import { EMPTY_BYTES, textOfUtf8 } from '../../protocol/bytes.ts'
import { unreachable } from '../../protocol/assert.ts'
import {
  accountCodec,
  bucketCodec,
  objectCodec,
  partCodec,
  uploadCodec,
} from '../../protocol/codec/versioned.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { spaceOf, systemNameOf } from '../../protocol/keyspace/register-key.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { accountOf } from './account-record.ts'
import { BUCKET_DELETED, newBucket } from './bucket-record.ts'
import { UPLOAD_ABORTED } from '../../protocol/object/upload-state.ts'

/**
 * The value that makes an absent register present without changing what readers find. The reachability check writes it,
 * to outlaw accepts that may still be on their way (G5). Undefined in a space of a later version: this node does not
 * know what its readers expect (F20).
 */
export function tombstoneOf(key: RegisterKey): Omit<RegisterValue, 'operation'> | undefined {
  const body = bodyOf(key)
  return body === undefined ? undefined : { tombstone: true, body, blocks: [] }
}

function bodyOf(key: RegisterKey): Uint8Array | undefined {
  const space = spaceOf(key)
  switch (space) {
    case undefined:
      return undefined
    case 'object':
      return objectCodec.encode(objectOf(undefined))
    case 'upload':
      return uploadCodec.encode({ state: UPLOAD_ABORTED } as never)
    case 'part':
      return partCodec.encode({} as never)
    case 'bucket':
      return bucketCodec.encode({ ...noBucket(nameOf(key)), state: BUCKET_DELETED })
    case 'account':
      return accountCodec.encode(accountOf(undefined, nameOf(key)))
    case 'user':
    case 'access-key':
    case 'group':
    case 'policy':
    case 'role':
    case 'session':
    case 'identity-provider':
    case 'setting':
      // Its body is not read when it is a tombstone (node/iam/records.ts).
      return EMPTY_BYTES
    default:
      return unreachable(space)
  }
}

/** The record of a bucket that never was. No bucket ever had this incarnation. */
function noBucket(name: string): ReturnType<typeof newBucket> {
  const incarnation = EMPTY_BYTES
  return newBucket({ name, incarnation, ownerAccount: '', createdMs: 0, region: '', shards: 0 })
}

function nameOf(key: RegisterKey): string {
  return textOfUtf8(systemNameOf(key))
}
