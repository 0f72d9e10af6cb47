/**
 * How far this node has seen the other nodes come (D2): for each storage id the highest boot, the life that has it, and
 * the highest position of its log. When the node itself is told, it notices that an old copy of its data directory was
 * put back.
 *
 *   sightings   {"version": 1, "seen": [{"storage", "boot", "life", "sequence"}, …], "checksum"}
 *
 * Invariants:
 *   - a new boot is on the disk before its node is told so: the node votes only when a majority has told it
 *   - a boot belongs to one life: if two lives have the same boot, it belongs to the first one
 *   - positions of the log are written now and then: after a crash of both nodes a few seconds may be missing
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'
import type { Clock, Disk, Logger } from '../env/ports.ts'

export const SIGHTINGS_FILE = 'sightings'
const VERSION = 1
const WRITE_EVERY_MS = 3_000

export interface Sighting {
  /** Hex. */
  readonly storage: string
  readonly boot: number
  /** Drawn at each start, hex. It tells two starts from the same copy apart, which have the same boot. */
  readonly life: string
  /** How many records the log has ever flushed. */
  readonly sequence: number
}

export class Sightings {
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #seen = new Map<string, Sighting>()
  #writing: Promise<void> = Promise.resolve()
  #later = false

  private constructor(disk: Disk, clock: Clock, logger: Logger) {
    this.#disk = disk
    this.#clock = clock
    this.#logger = logger
  }

  static async open(disk: Disk, clock: Clock, logger: Logger): Promise<Sightings> {
    const sightings = new Sightings(disk, clock, logger)
    const bytes = await disk.readFile(SIGHTINGS_FILE)
    if (bytes === undefined) return sightings
    try {
      const { fields } = checkedFields(JSON.parse(utf8Text(bytes)))
      const { version, seen } = fields as { version: number; seen: Sighting[] }
      if (version !== VERSION) throw new Error(`version ${version}`)
      for (const one of seen) sightings.#seen.set(one.storage, one)
    } catch (error) {
      // Other nodes remember it too, and each node asks a majority.
      logger.warn(
        { file: SIGHTINGS_FILE, error: String(error) },
        'the file is damaged: a new one is begun',
      )
    }
    return sightings
  }

  /** What was known about the node before. What it says now is durable when this resolves, if it has come further. */
  async note(told: Sighting): Promise<Sighting | undefined> {
    const before = this.#seen.get(told.storage)
    if (before !== undefined && isUsedUp(before, told)) return before
    const isSameLife = before?.boot === told.boot
    const sequence = isSameLife ? Math.max(before.sequence, told.sequence) : told.sequence
    if (isSameLife && sequence === before.sequence) {
      await this.#writing
      return before
    }
    this.#seen.set(told.storage, { ...told, sequence })
    if (isSameLife) this.#writeLater()
    else await this.#write()
    return before
  }

  #writeLater(): void {
    if (this.#later) return
    this.#later = true
    this.#clock.after(WRITE_EVERY_MS, () => {
      this.#later = false
      this.#write().catch((error: unknown) => {
        this.#logger.debug({ error: String(error) }, 'how far the others are could not be written')
      })
    })
  }

  #write(): Promise<void> {
    const written = this.#writing
      .catch(() => {})
      .then(() => {
        const fields = { version: VERSION, seen: [...this.#seen.values()] }
        const text = JSON.stringify(withChecksum(fields))
        return this.#disk.writeFile(SIGHTINGS_FILE, utf8(text), { mode: 0o600 })
      })
    this.#writing = written
    return written
  }
}

/** The node was further already: it must not use this boot. */
export function isUsedUp(seen: Sighting, told: Sighting): boolean {
  if (seen.boot !== told.boot) return seen.boot > told.boot
  return seen.life !== told.life
}
