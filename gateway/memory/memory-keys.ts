/** Keys of the cluster in memory: for tests, so their bytes follow from their names. */

import { createHash } from 'node:crypto'
import { StoreError } from '../../protocol/errors.ts'
import { unwrapDataKey, SALT_BYTES, wrapDataKey } from '../encryption/data-keys.ts'
import { DEFAULT_KEY_ID, type KeyBackend } from '../port/encryption.ts'
import { begin } from './memory-buckets.ts'

/** One version of each key. */
export class MemoryKeys implements KeyBackend {
  readonly #ids: ReadonlySet<string>
  #count = 0

  constructor(ids: readonly string[]) {
    this.#ids = new Set([DEFAULT_KEY_ID, ...ids])
  }

  wrapDataKey: KeyBackend['wrapDataKey'] = async (context, { keyId, dataKey, binding }) => {
    begin(context)
    const salt = digest(`salt ${++this.#count}`).subarray(0, SALT_BYTES)
    return { keyId, version: 1, wrapped: wrapDataKey(this.#key(keyId), salt, dataKey, binding) }
  }

  unwrapDataKey: KeyBackend['unwrapDataKey'] = async (context, { key, binding }) => {
    begin(context)
    return unwrapDataKey(this.#key(key.keyId), key.wrapped, binding)
  }

  #key(keyId: string): Uint8Array {
    if (!this.#ids.has(keyId)) throw new StoreError('NoSuchEncryptionKey')
    return digest(`key ${keyId}`)
  }
}

function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}
