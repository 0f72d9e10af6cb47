/**
 * The data that this node knows to be lost for good. Each entry is looked at again from time to time: an overwrite or a
 * delete ends it, and a disk that comes back may end it, too. This is only a report: no safety depends on it.
 *
 * The file has one line of JSON for each entry, and is written as a whole:
 *
 *   ["<register, hex>", "<version id>", <bytes>, <found, ms since 1970>]
 */

import { byteString, bytesOf, bytesOfHex, hex, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import type { Clock, Disk, Logger } from '../env/ports.ts'
import { lostName } from './lost-name.ts'

/** Beside the log, so that a restart keeps the list. */
const PATH = 'log/lost'
/** Entries that are kept. More are not noted. */
export const LOST_MAX = 10_000
/** Between two looks at registers that have entries. */
const RECHECK_MS = 30_000
/** Registers in one look. The next look goes on behind them. */
const RECHECKED_AT_ONCE = 100
/** Changes within this time are written together. */
const SAVE_MS = 500

/** A version of an object, a part, or a page of versions, whose data is lost. */
export interface LostObject {
  readonly register: RegisterKey
  /** 'null', a version id, or a description in brackets. */
  readonly versionId: string
  readonly sizeBytes: number
  /** When it was found, by this node's clock, in ms since 1970. */
  readonly foundMs: number
}

export interface LostObjectsOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  /** What is lost of a register now. Undefined when that can't be known. */
  readonly check: (register: RegisterKey) => Promise<readonly LostObject[] | undefined>
}

export class LostObjects {
  readonly #options: LostObjectsOptions
  /** By register and version. */
  readonly #objects = new Map<string, LostObject>()
  /** Names of buckets, as far as they were met. */
  readonly #names = new Map<BucketId, string>()
  #cancel: (() => void) | undefined
  #cancelSave: (() => void) | undefined
  /** Where the next look begins in the list of registers. */
  #at = 0
  #stopped = false

  constructor(options: LostObjectsOptions) {
    this.#options = options
  }

  /** Reads the file of an earlier start. Never throws: a file that can't be read counts as empty. */
  async load(): Promise<void> {
    const bytes = await this.#options.disk.readFile(PATH).catch(() => undefined)
    if (bytes === undefined) return
    try {
      for (const line of utf8Text(bytes).split('\n')) {
        if (line === '') continue
        const [register, versionId, sizeBytes, foundMs] = JSON.parse(line) as [
          string,
          string,
          number,
          number,
        ]
        this.#keep({
          register: byteString(bytesOfHex(register)) as RegisterKey,
          versionId,
          sizeBytes,
          foundMs,
        })
      }
    } catch (error) {
      // The next scrub finds them again.
      this.#options.logger.warn({ error: String(error) }, 'the list of lost objects can’t be read')
    }
    this.#wake()
  }

  get count(): number {
    return this.#objects.size
  }

  list(): LostObject[] {
    return [...this.#objects.values()]
  }

  /** Notes an entry, with one line in the node's log. An entry that is known already changes nothing. */
  note(object: LostObject): void {
    if (this.#objects.has(nameOf(object)) || this.#objects.size >= LOST_MAX) return
    this.#keep(object)
    const bucket = bucketIdOf(object.register)
    const { versionId, sizeBytes } = object
    this.#options.logger.error(
      {
        bucket: bucket === undefined ? '' : (this.#names.get(bucket) ?? hex(bytesOf(bucket))),
        key: lostName(object.register),
        versionId,
        sizeBytes,
      },
      'data is lost: a register names it, and no replica has it',
    )
    this.#save()
    this.#wake()
  }

  /** Notes a bucket's name, for reports. */
  nameBucket(id: BucketId, name: string): void {
    this.#names.set(id, name)
  }

  /** The name, if it was met. */
  bucketName(id: BucketId): string | undefined {
    return this.#names.get(id)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    this.#cancelSave?.()
  }

  #keep(object: LostObject): void {
    this.#objects.set(nameOf(object), object)
  }

  #wake(): void {
    if (this.#stopped || this.#cancel !== undefined || this.#objects.size === 0) return
    this.#cancel = this.#options.clock.after(RECHECK_MS, () => {
      void this.#recheck().finally(() => {
        this.#cancel = undefined
        this.#wake()
      })
    })
  }

  /** Asks some registers again, and removes the entries that are not lost any more. */
  async #recheck(): Promise<void> {
    const registers = [...new Set(this.list().map(({ register }) => register))]
    if (this.#at >= registers.length) this.#at = 0
    const some = registers.slice(this.#at, this.#at + RECHECKED_AT_ONCE)
    this.#at += some.length
    for (const register of some) {
      const still = await this.#options.check(register).catch(() => undefined)
      if (this.#stopped) return
      if (still === undefined) continue
      const names = new Set(still.map(nameOf))
      for (const [name, object] of this.#objects) {
        if (object.register !== register || names.has(name)) continue
        this.#objects.delete(name)
        this.#save()
      }
    }
  }

  /** Writes the file soon. A failure is a warning only. */
  #save(): void {
    if (this.#stopped) return
    const { clock, disk, logger } = this.#options
    this.#cancelSave ??= clock.after(SAVE_MS, () => {
      this.#cancelSave = undefined
      const lines = this.list().map(({ register, versionId, sizeBytes, foundMs }) =>
        JSON.stringify([hex(bytesOf(register)), versionId, sizeBytes, foundMs]),
      )
      disk.writeFile(PATH, utf8(`${lines.join('\n')}\n`)).catch((error: unknown) => {
        logger.warn({ error: String(error) }, 'the list of lost objects was not written')
      })
    })
  }
}

/** One entry for each version of a register. */
function nameOf({ register, versionId }: LostObject): string {
  return `${register}\0${versionId}`
}
