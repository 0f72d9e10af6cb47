/**
 * The Index port over LMDB.
 *
 * The log is the authority (D6), so a row need not be durable when `write` resolves. It has to be visible, and a crash
 * has to leave a prefix of the batches. LMDB's "overlapping sync" does that: a commit is visible at once and flushed
 * behind the scenes, and pages are copied on write. After a machine crash (another boot id) the newest *flushed*
 * transaction counts, after a process crash the newest committed one. In either case the log is replayed from the position
 * that is stored in the index. `noSync` would be faster, but a crash could tear the tree unnoticed.
 *
 * The file is removed when it can't be opened, is shorter than its own page count says, differs from what the last clean
 * stop has left (closing-digest.ts), or shows damage after a crash (lmdb-check.ts). The store then finds no log position and
 * rebuilds everything from the segments (F4).
 */

import { closeSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open, type RootDatabase } from 'lmdb'
import { assert } from '../../protocol/assert.ts'
import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { takeClosingDigest, writeClosingDigest } from './closing-digest.ts'
import { checkLmdb, type RowCheck } from './lmdb-check.ts'
import type { Index, IndexWrite, Logger, RowScan } from './ports.ts'

const DATA_FILE = 'data.mdb'
const PAGE_BYTES = 4_096
const INDEX_KEY_BYTES_MAX = 1_900

type Database = RootDatabase<Uint8Array, Uint8Array>

/**
 * The row at which a scan is. The package gives each row to `readKey` and `decode` below, as places in buffers of its own.
 * They note the places here, so that a row costs no copy and no object.
 */
class RowAtHand {
  keyBytes = 0
  valueBytes = 0
  /** They begin where the row's key and value do, and go on behind them. */
  key: Uint8Array = EMPTY_BYTES
  value: Uint8Array = EMPTY_BYTES
  #keys: Uint8Array | undefined
  #values: Uint8Array | undefined

  /** The package's key buffer is the same for good, and so is the place in it. */
  putKey(from: Uint8Array, start: number, end: number): void {
    if (this.#keys !== from) {
      this.#keys = from
      this.key = new Uint8Array(from.buffer, from.byteOffset + start)
    }
    this.keyBytes = end - start
  }

  /** Most values come in the package's shared buffer, which only pretends to have their length. */
  putValue(from: SharedValueBytes, sizeBytes: number): void {
    if (this.#values !== from) {
      this.#values = from
      this.value = new Uint8Array(from.buffer, from.byteOffset, from.maxLength ?? from.length)
    }
    this.valueBytes = sizeBytes
  }
}

interface SharedValueBytes extends Uint8Array {
  readonly maxLength?: number
}

const row = new RowAtHand()

/** Opens the index in a directory of its own. Makes a new one where there is none, or none that is sound. */
export async function openLmdb(
  directory: string,
  logger?: Logger,
  check?: () => RowCheck,
): Promise<Index> {
  const path = join(directory, DATA_FILE)
  const damage = damageOf(path) ?? damageInside(path, check)
  if (damage !== undefined) return replaceDamaged(directory, damage, logger)
  try {
    return new LmdbIndex(openDatabase(directory), path)
  } catch (error) {
    return replaceDamaged(directory, String(error), logger)
  }
}

function damageInside(path: string, check: (() => RowCheck) | undefined): string | undefined {
  const isAsClosed = takeClosingDigest(path)
  if (isAsClosed !== undefined) return isAsClosed ? undefined : 'not as it was closed'
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined
  return checkLmdb(path, check?.())
}

function replaceDamaged(directory: string, damage: string, logger: Logger | undefined): Index {
  logger?.warn({ damage, directory }, 'the index is damaged and will be rebuilt')
  rmSync(directory, { recursive: true, force: true })
  return new LmdbIndex(openDatabase(directory), join(directory, DATA_FILE))
}

function openDatabase(directory: string): Database {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return open<Uint8Array, Uint8Array>({
    path: directory,
    encoding: 'binary',
    keyEncoder: {
      writeKey(key: Uint8Array, target: Uint8Array, at: number): number {
        target.set(key, at)
        return at + key.length
      },
      readKey: (from: Uint8Array, start: number, end: number) => row.putKey(from, start, end),
    },
    ...VALUES_AT_HAND,
    compression: false,
    overlappingSync: true,
    // Each batch is a transaction of its own anyway. With this option the package makes one more promise for each turn.
    // No caller can reach it, and its rejection on a full disk would end the process.
    eventTurnBatching: false,
    pageSize: PAGE_BYTES,
    maxDbs: 1,
  })
}

/** Options that the package lacks in its types: ranges decode their values, and the decoder needs no copy of them. */
const VALUES_AT_HAND = {
  decoder: {
    decode: (bytes: Uint8Array, sizeBytes: number) => row.putValue(bytes, sizeBytes),
  },
  decoderCopies: true,
}

/**
 * What is wrong with the two meta pages of the file, or with its length. LMDB maps any file, and garbage or a missing end
 * then kills the process without an error that could be caught.
 *
 * A meta page: at 24 the magic, at 28 the format, at 48 the page size, at 144 the last page in use.
 */
function damageOf(path: string): string | undefined {
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 }
  if (size === 0) return undefined
  const metas = Buffer.alloc(2 * PAGE_BYTES)
  const file = openSync(path, 'r')
  try {
    if (readSync(file, metas, 0, metas.length, 0) < metas.length) return 'no meta pages'
  } finally {
    closeSync(file)
  }
  for (const meta of [metas.subarray(0, PAGE_BYTES), metas.subarray(PAGE_BYTES)]) {
    if (meta.readUInt32LE(24) !== 0xbeefc0de) return 'no meta page'
    if (meta.readUInt32LE(28) !== 2) return 'another format'
    if (meta.readUInt32LE(48) !== PAGE_BYTES) return 'another page size'
    const needed = (meta.readUIntLE(144, 6) + 1) * PAGE_BYTES
    if (size < needed) return `${size} bytes of ${needed}`
  }
  return undefined
}

/** LMDB's own error. It comes as the rejection of another promise in the same turn. */
function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> }
  return new Promise((resolve) => {
    commitError?.catch(resolve)
    setImmediate(() => resolve(error))
  })
}

/** The package rejects a failed commit and also prints its stack: silenced, because our log has a line about it. */
function silenceStacks(): void {
  const print = console.error
  console.error = (...words: unknown[]) => {
    const [first] = words
    const isIts = first instanceof Error && first.stack?.includes('/lmdb/write.js') === true
    if (!isIts) print(...words)
  }
}
silenceStacks()

class LmdbIndex implements Index {
  private readonly database: Database
  private readonly path: string

  constructor(database: Database, path: string) {
    this.database = database
    this.path = path
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const bytes = this.database.getBinaryFast(key)
    // LMDB's shared buffer only pretends to have the length of the value: built-in functions see all of it.
    return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  range(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    this.scan(start, end, limit, (key, keyBytes, value, valueBytes) =>
      visit(key.slice(0, keyBytes), value.slice(0, valueBytes)),
    )
  }

  scan(start: Uint8Array, end: Uint8Array, limit: number, visit: RowScan): void {
    if (limit <= 0) return
    const rows = this.database.getRange({ start, end, limit })[Symbol.iterator]()
    try {
      while (rows.next().done !== true) {
        if (visit(row.key, row.keyBytes, row.value, row.valueBytes) === false) return
      }
    } finally {
      // Gives the cursor back.
      rows.return?.()
    }
  }

  async write(batch: readonly IndexWrite[]): Promise<void> {
    if (batch.length === 0) return
    const rows: Promise<boolean>[] = []
    const written = this.database.batch(() => {
      for (const { key, value } of batch) {
        assert(key.length > 0 && key.length <= INDEX_KEY_BYTES_MAX, 'an index key is too long')
        rows.push(value === undefined ? this.database.remove(key) : this.database.put(key, value))
      }
    })
    // All end as the batch does. An unhandled rejection would end the process.
    for (const row of new Set(rows)) row.catch(() => {})
    try {
      await written
    } catch (error) {
      throw await causeOf(error)
    }
  }

  async clear(): Promise<void> {
    await this.database.clearAsync()
  }

  async close(): Promise<void> {
    await this.database.flushed
    await this.database.close()
    writeClosingDigest(this.path)
  }
}
