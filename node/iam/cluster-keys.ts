/**
 * The keys of the cluster that wrap the data keys of objects (SSE-S3, SSE-KMS). All are in one register, each encrypted
 * with the cluster secret.
 *
 * A node uses the register as it was read less than a second ago, so a key that was disabled or rotated is obeyed by all
 * nodes a second later. Versions are never removed: what any of them wrapped stays readable.
 */

import { unwrapDataKey, SALT_BYTES, wrapDataKey } from '../../gateway/encryption/data-keys.ts'
import { DEFAULT_KEY_ID, type KeyBackend } from '../../gateway/port/encryption.ts'
import { RIGHTS_AGE_MS } from '../../gateway/port/rights.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { StoreError } from '../../protocol/errors.ts'
import {
  CLUSTER_KEYS_MAX,
  KEY_VERSIONS_MAX,
  keyRingCodec,
  type ClusterKey,
  type KeyRingRecord,
  type KeyVersion,
} from '../../protocol/iam/key-ring-record.ts'
import { secretId } from '../../protocol/layout/secret.ts'
import type { Clock, Random } from '../env/ports.ts'
import { encryptSecret, unsealed, type SealingSecrets } from '../layout/secret-encryption.ts'
import { dropOldest } from '../tools/drop-oldest.ts'
import { FreshCache } from '../tools/fresh.ts'
import type { RecordKind, Records } from './records.ts'

/** There is one of them. */
const KEY_RING: RecordKind<KeyRingRecord> = { space: 'setting', codec: keyRingCodec }
const NAME = 'encryption-keys'
const NONCE_BYTES = 12
const KEY_BYTES = 32
/** How many decrypted versions are kept. */
const OPENED_MAX = 100

export interface ClusterKeysOptions {
  readonly records: Records
  readonly clock: Clock
  readonly random: Random
  /** The secret in force and the one before it. */
  readonly cluster: () => SealingSecrets
}

/** The cluster has as many keys, or versions of them, as it may have. */
export class KeyRingFullError extends Error {
  override readonly name = 'KeyRingFullError'
}

/** One for each node. */
export class ClusterKeys implements KeyBackend {
  readonly #options: ClusterKeysOptions
  readonly #ring: FreshCache<KeyRingRecord>
  /** Decrypted versions by what is stored of them. */
  readonly #opened = new Map<string, Uint8Array>()

  constructor(options: ClusterKeysOptions) {
    this.#options = options
    this.#ring = new FreshCache(options.clock, 1)
  }

  /** See KeyBackend. Makes the cluster's own key when it is needed for the first time. */
  wrapDataKey: KeyBackend['wrapDataKey'] = async (context, { keyId, dataKey, binding }) => {
    const found = keyIn(await this.#read(context), keyId)
    const key = found ?? (await this.#missing(context, keyId))
    checkEnabled(key)
    const version = key.versions.length
    const salt = this.#options.random.bytes(SALT_BYTES)
    const wrapped = wrapDataKey(this.#open(key.versions[version - 1]), salt, dataKey, binding)
    return { keyId, version, wrapped }
  }

  /** See KeyBackend. */
  unwrapDataKey: KeyBackend['unwrapDataKey'] = async (context, { key, binding }) => {
    const known = keyIn(await this.#read(context), key.keyId)
    // A version that another node has made within this second.
    const isKnown = known?.versions[key.version - 1] !== undefined
    const found = isKnown ? known : keyIn(await this.#readAgain(context), key.keyId)
    if (found === undefined) throw noSuchKey(key.keyId)
    checkEnabled(found)
    return unwrapDataKey(this.#open(found.versions[key.version - 1]), key.wrapped, binding)
  }

  /** All keys whose id begins with `prefix`, in the order in which they were made. Throws Unavailable. */
  async list(context: RequestContext, prefix: string): Promise<readonly ClusterKey[]> {
    const ring = await this.#options.records.read(context, KEY_RING, NAME)
    return ring?.keys.filter(({ id }) => id.startsWith(prefix)) ?? []
  }

  /** False when there is one of that id already. Throws KeyRingFullError, Unavailable. */
  async create(context: RequestContext, id: string): Promise<boolean> {
    const version = this.#newVersion()
    return this.#change(context, (keys) => {
      if (keys.some((key) => key.id === id)) return undefined
      return [...keys, { id, createdMs: version.createdMs, versions: [version] }]
    })
  }

  /**
   * Adds a version, which encrypts from then on. What the others have encrypted stays readable. False when there is no key of
   * that id. Throws KeyRingFullError, Unavailable.
   */
  async rotate(context: RequestContext, id: string): Promise<boolean> {
    // The cluster's own key may not have been needed before.
    if (id === DEFAULT_KEY_ID) await this.#missing(context, id)
    const version = this.#newVersion()
    return this.#change(context, (keys) =>
      changed(keys, id, (key) => ({ ...key, versions: [...key.versions, version] })),
    )
  }

  /** Disabled, it neither encrypts nor decrypts. False when there is no key of that id. Throws Unavailable. */
  async setEnabled(context: RequestContext, id: string, enabled: boolean): Promise<boolean> {
    return this.#change(context, (keys) =>
      changed(keys, id, ({ createdMs, versions }) =>
        enabled ? { id, createdMs, versions } : { id, createdMs, versions, disabled: true },
      ),
    )
  }

  /** False when `make` gives undefined. */
  async #change(
    context: RequestContext,
    make: (keys: readonly ClusterKey[]) => readonly ClusterKey[] | undefined,
  ): Promise<boolean> {
    const { written } = await this.#options.records.change(context, KEY_RING, NAME, (current) => {
      const keys = make(current?.keys ?? [])
      if (keys === undefined) return { keep: true }
      const versions = keys.reduce((sum, key) => sum + key.versions.length, 0)
      if (keys.length > CLUSTER_KEYS_MAX || versions > KEY_VERSIONS_MAX)
        throw new KeyRingFullError()
      return { write: { keys } }
    })
    this.#ring.clear()
    return written
  }

  /**
   * Encrypts every version with the secret in force. Returns how many were not. Called after a rotation of the cluster
   * secret.
   */
  async encryptAll(context: RequestContext): Promise<number> {
    const { records, random, cluster } = this.#options
    const ring = await records.read(context, KEY_RING, NAME)
    const present = secretId(cluster().secret)
    const isOld = ({ sealedWith }: KeyVersion): boolean => sealedWith !== present
    const old = ring?.keys.flatMap(({ versions }) => versions.filter(isOld)) ?? []
    if (old.length === 0) return 0
    await records.change(context, KEY_RING, NAME, (current) => {
      const secrets = cluster()
      const sealedWith = secretId(secrets.secret)
      if (current === undefined) return { keep: true }
      const again = (version: KeyVersion): KeyVersion => {
        if (version.sealedWith === sealedWith) return version
        const nonce = random.bytes(NONCE_BYTES)
        const sealedSecret = encryptSecret(secrets.secret, nonce, unsealed(secrets, version))
        return { ...version, sealedSecret, sealedWith }
      }
      const keys = current.keys.map((key) => ({ ...key, versions: key.versions.map(again) }))
      return { write: { keys } }
    })
    this.#ring.clear()
    return old.length
  }

  async #read(context: RequestContext): Promise<KeyRingRecord> {
    const { records, clock } = this.#options
    const { value } = await this.#ring.get(NAME, RIGHTS_AGE_MS, async () => {
      const sinceMs = clock.monotonicMs()
      const value = (await records.read(context, KEY_RING, NAME)) ?? { keys: [] }
      return { value, sinceMs }
    })
    return value
  }

  #readAgain(context: RequestContext): Promise<KeyRingRecord> {
    this.#ring.drop(NAME)
    return this.#read(context)
  }

  /** The key of that id that is not known here. Throws NoSuchEncryptionKey. */
  async #missing(context: RequestContext, keyId: string): Promise<ClusterKey> {
    const found = keyIn(await this.#readAgain(context), keyId)
    if (found !== undefined) return found
    if (keyId !== DEFAULT_KEY_ID) throw noSuchKey(keyId)
    const { records } = this.#options
    const { after } = await records.change(context, KEY_RING, NAME, (current) => {
      const keys = current?.keys ?? []
      if (keys.some(({ id }) => id === keyId)) return { keep: true }
      const version = this.#newVersion()
      return { write: { keys: [...keys, this.#newKey(keyId, version)] } }
    })
    this.#ring.clear()
    const made = after && keyIn(after, keyId)
    if (made === undefined) throw new StoreError('Unavailable', 'the cluster has no key yet')
    return made
  }

  #newKey(id: string, version: KeyVersion): ClusterKey {
    return { id, createdMs: version.createdMs, versions: [version] }
  }

  #newVersion(): KeyVersion {
    const { random, clock, cluster } = this.#options
    const { secret } = cluster()
    const text = Buffer.from(random.bytes(KEY_BYTES)).toString('base64')
    return {
      // A clock may show parts of milliseconds.
      createdMs: Math.floor(clock.nowMs()),
      sealedSecret: encryptSecret(secret, random.bytes(NONCE_BYTES), text),
      sealedWith: secretId(secret),
    }
  }

  /** The key itself. Throws Unavailable while this node does not have the cluster secret that it needs. */
  #open(version: KeyVersion | undefined): Uint8Array {
    if (version === undefined) throw new StoreError('NoSuchEncryptionKey')
    const known = this.#opened.get(version.sealedSecret)
    if (known !== undefined) return known
    const text = unsealed(this.#options.cluster(), version)
    const key = new Uint8Array(Buffer.from(text, 'base64'))
    this.#opened.set(version.sealedSecret, key)
    dropOldest(this.#opened, OPENED_MAX)
    return key
  }
}

/** Undefined when there is no key of that id. */
function changed(
  keys: readonly ClusterKey[],
  id: string,
  change: (key: ClusterKey) => ClusterKey,
): readonly ClusterKey[] | undefined {
  if (!keys.some((key) => key.id === id)) return undefined
  return keys.map((key) => (key.id === id ? change(key) : key))
}

function keyIn({ keys }: KeyRingRecord, keyId: string): ClusterKey | undefined {
  return keys.find(({ id }) => id === keyId)
}

function checkEnabled({ id, disabled }: ClusterKey): void {
  if (disabled === true) throw new StoreError('EncryptionKeyDisabled', `The key ${id} is disabled.`)
}

function noSuchKey(keyId: string): StoreError {
  return new StoreError('NoSuchEncryptionKey', `The key ${keyId} does not exist.`)
}
