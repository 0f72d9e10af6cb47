/**
 * The durable queue of one webhook: events in the order in which they were added, in a directory of files. Delivery takes
 * them from the front.
 *
 * ```
 * webhooks/NAME/00000001.events     entries: length u32 ‖ CRC-32 of the rest ‖ time in ms f64 ‖ message
 * webhooks/NAME/front               JSON: the segment and the place in it before which everything was taken
 * ```
 *
 * Invariants:
 *   - an entry is flushed when `add` resolves with true, and is there again after a crash (the front may lie behind what
 *     was taken: such entries are delivered again)
 *   - a segment is never written again after its process has ended or one of its flushes has failed (D5): the next entry
 *     begins a new one. So what a torn write leaves is always at the end of a segment
 *   - the bytes of all segments are bounded. What finds no room is refused, never an older entry dropped for it
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { crc32Of } from '../../protocol/crc32.ts'
import type { Disk, DiskFile, Logger } from '../env/ports.ts'
import { messageOf } from '../net/errors.ts'

const HEADER_BYTES = 16
/** The part of the header that the checksum does not cover. */
const UNCHECKED_BYTES = 8
const SEGMENT_BYTES = 4 * 2 ** 20
/** As AWS. A key of 1,024 bytes, each written as up to 3, is the most of a message. */
const MESSAGE_BYTES_MAX = 64 * 1024
const READ_BYTES = 256 * 1024
const SEGMENT_NAME = /^(\d{8})\.events$/

/** An event on its way to a webhook. */
export interface QueuedEvent {
  /** When it happened, by the wall clock of its node. */
  readonly timeMs: number
  readonly message: Uint8Array
}

/** An event and the place of its end. */
interface PlacedEvent {
  readonly event: QueuedEvent
  readonly end: EventPlace
}

interface EventPlace {
  readonly segment: number
  readonly offset: number
}

interface Waiting {
  readonly bytes: Uint8Array
  readonly resolve: (isAdded: boolean) => void
}

export interface EventLogOptions {
  readonly disk: Disk
  readonly logger: Logger
  /** The directory of the webhook. */
  readonly directory: string
  /** All segments together. */
  readonly bytesMax: number
}

export class EventLog {
  /** Events that were added and not taken. */
  count = 0
  /** Entries that could not be read any more. */
  damaged = 0
  readonly #options: EventLogOptions
  /** The flushed bytes of each segment, oldest first. */
  readonly #segments = new Map<number, number>()
  /** Behind the last event that `take` was told of: what `peek` begins with. */
  #front: EventPlace = { segment: 0, offset: 0 }
  /** Of the newest segment, while it may be written. */
  #file: DiskFile | undefined
  /** Number of the segment that is made next. */
  #next = 1
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  /** Of the front as it is on the disk. */
  #stored = ''

  private constructor(options: EventLogOptions) {
    this.#options = options
  }

  /** Reads what an earlier process has left. Throws what the disk throws. */
  static async open(options: EventLogOptions): Promise<EventLog> {
    const log = new EventLog(options)
    await log.#recover()
    return log
  }

  /** Bytes that count against the bound. */
  get bytes(): number {
    let sum = this.#waitingBytes
    for (const bytes of this.#segments.values()) sum += bytes
    return sum
  }

  /**
   * Resolves with true once the event is flushed, and with false when there is no room for it, or the disk has failed.
   * `isMoved`: it comes from the front, and needs no room of its own.
   */
  add(event: QueuedEvent, isMoved = false): Promise<boolean> {
    const bytes = encode(event)
    if (event.message.length > MESSAGE_BYTES_MAX) return Promise.resolve(false)
    const isFull = this.bytes + bytes.length > this.#options.bytesMax
    if (isFull && !isMoved) return Promise.resolve(false)
    this.#waitingBytes += bytes.length
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, resolve })
      this.#writing ??= this.#write()
    })
  }

  /** Up to `limit` events from the front, oldest first. Throws what the disk throws. */
  async peek(limit: number): Promise<PlacedEvent[]> {
    const found: PlacedEvent[] = []
    let at = this.#front
    for (const [segment, bytes] of this.#segments) {
      if (segment < at.segment) continue
      if (segment > at.segment) at = { segment, offset: 0 }
      while (found.length < limit && at.offset < bytes) {
        const { events, isWhole } = await this.#read(at, bytes, limit - found.length)
        found.push(...events)
        const offset = events.at(-1)?.end.offset ?? at.offset
        if (!isWhole) this.#lose(segment, offset)
        at = { segment, offset: isWhole ? offset : bytes }
      }
      if (found.length >= limit) break
    }
    if (found.length === 0) this.count = 0
    return found
  }

  /** Everything up to this place, of which there were so many events, is done with. Durable some time later, at `settle`. */
  take(end: EventPlace, count: number): void {
    this.#front = end
    this.count = Math.max(0, this.count - count)
  }

  /** Writes the front down, and removes segments behind it. Throws what the disk throws. */
  async settle(): Promise<void> {
    const { disk, directory } = this.#options
    const { segment } = this.#front
    const text = JSON.stringify(this.#front)
    if (text !== this.#stored) {
      await disk.writeFile(`${directory}/front`, utf8(text))
      this.#stored = text
    }
    for (const [number, bytes] of this.#segments) {
      const isOver = number < segment || (number === segment && this.#front.offset >= bytes)
      if (!isOver || number === this.#next - 1) continue
      await disk.remove(pathOf(directory, number))
      this.#segments.delete(number)
    }
  }

  /** Resolves when what was added before is flushed, or has failed. */
  async close(): Promise<void> {
    await this.#writing
    await this.#file?.close().catch(() => {})
    this.#file = undefined
  }

  /** One batch after the other: what is added meanwhile is flushed together. Never rejects. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0)
      const parts = batch.map(({ bytes }) => bytes)
      const isStored = (await this.#append(parts)) || (await this.#append(parts))
      for (const { bytes } of batch) this.#waitingBytes -= bytes.length
      if (isStored) this.count += batch.length
      for (const { resolve } of batch) resolve(isStored)
    }
    this.#writing = undefined
  }

  /** False when the segment cannot be used any more: the next try begins a new one. */
  async #append(parts: readonly Uint8Array[]): Promise<boolean> {
    const { disk, directory, logger } = this.#options
    try {
      const number = this.#next - 1
      const before = this.#segments.get(number) ?? 0
      if (this.#file === undefined || before >= SEGMENT_BYTES) await this.#begin(disk, directory)
      const segment = this.#next - 1
      const offset = this.#segments.get(segment) ?? 0
      const file = this.#file as DiskFile
      await file.write(parts, offset)
      await file.flush()
      const bytes = parts.reduce((sum, { length }) => sum + length, 0)
      this.#segments.set(segment, offset + bytes)
      return true
    } catch (error) {
      logger.warn({ directory, error: messageOf(error) }, 'notifications: events cannot be stored')
      await this.#file?.close().catch(() => {})
      this.#file = undefined
      return false
    }
  }

  async #begin(disk: Disk, directory: string): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    // A number is used once, also when the making of its file fails half way.
    const number = this.#next++
    this.#file = await disk.open(pathOf(directory, number), 'create')
    await disk.syncDirectory(directory)
    this.#segments.set(number, 0)
  }

  /** Events from `at` on that are whole in one read of the segment, at least one. */
  async #read(
    at: EventPlace,
    bytes: number,
    limit: number,
  ): Promise<{ events: PlacedEvent[]; isWhole: boolean }> {
    const { disk, directory } = this.#options
    const file = await disk.open(pathOf(directory, at.segment), 'read')
    try {
      const buffer = new Uint8Array(Math.min(READ_BYTES, bytes - at.offset))
      const length = await file.read(buffer, at.offset)
      return decode(buffer.subarray(0, length), at, limit)
    } finally {
      await file.close()
    }
  }

  /** What comes from here on in the segment cannot be read. */
  #lose(segment: number, offset: number): void {
    const { directory, logger } = this.#options
    this.damaged++
    this.#segments.set(segment, offset)
    if (segment === this.#next - 1) this.#file = undefined
    logger.error(
      { directory, segment, offset },
      'notifications: stored events are damaged, and lost',
    )
  }

  async #recover(): Promise<void> {
    const { disk, directory } = this.#options
    await disk.makeDirectory(directory)
    this.#front = await this.#storedFront()
    const numbers = (await disk.list(directory))
      .flatMap((name) => SEGMENT_NAME.exec(name)?.slice(1) ?? [])
      .map(Number)
      .sort((a, b) => a - b)
    for (const segment of numbers) {
      this.#next = segment + 1
      if (segment < this.#front.segment) {
        await disk.remove(pathOf(directory, segment))
        continue
      }
      await this.#count(segment)
    }
    this.#next = Math.max(this.#next, this.#front.segment + 1)
  }

  /** Finds the end of what is whole in a segment: the rest was never answered for, or is damaged. */
  async #count(segment: number): Promise<void> {
    const { disk, directory } = this.#options
    const file = await disk.open(pathOf(directory, segment), 'read')
    const size = await file.sizeBytes()
    await file.close()
    let offset = segment === this.#front.segment ? Math.min(this.#front.offset, size) : 0
    while (offset < size) {
      const { events } = await this.#read({ segment, offset }, size, Infinity)
      if (events.length === 0) break
      this.count += events.length
      offset = (events.at(-1) as PlacedEvent).end.offset
    }
    this.#segments.set(segment, offset)
    if (offset < size) {
      const { logger } = this.#options
      const fields = { directory, segment, offset, bytes: size - offset }
      logger.warn(
        fields,
        'notifications: the end of a file of events is not whole, as after a crash',
      )
    }
  }

  async #storedFront(): Promise<EventPlace> {
    const { disk, directory } = this.#options
    const bytes = await disk.readFile(`${directory}/front`)
    try {
      const text = utf8Text(bytes ?? new Uint8Array(0))
      const { segment, offset } = JSON.parse(text) as Partial<EventPlace>
      if (!Number.isSafeInteger(segment) || !Number.isSafeInteger(offset))
        throw new Error('no place')
      this.#stored = text
      return { segment: segment as number, offset: offset as number }
    } catch {
      // Without it everything that is left is delivered, again or for the first time.
      return { segment: 0, offset: 0 }
    }
  }
}

function pathOf(directory: string, segment: number): string {
  return `${directory}/${String(segment).padStart(8, '0')}.events`
}

function encode({ timeMs, message }: QueuedEvent): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + message.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, message.length)
  view.setFloat64(UNCHECKED_BYTES, timeMs)
  bytes.set(message, HEADER_BYTES)
  view.setUint32(4, crc32Of(bytes, UNCHECKED_BYTES, bytes.length))
  return bytes
}

/** `isWhole` is false when something at the end of these events is damaged, and not only cut off by the end of the read. */
function decode(
  bytes: Uint8Array,
  { segment, offset }: EventPlace,
  limit: number,
): { events: PlacedEvent[]; isWhole: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const events: PlacedEvent[] = []
  let at = 0
  while (events.length < limit && at + HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(at)
    const end = at + HEADER_BYTES + length
    if (length > MESSAGE_BYTES_MAX) return { events, isWhole: false }
    if (end > bytes.length) return { events, isWhole: events.length > 0 }
    if (crc32Of(bytes, at + UNCHECKED_BYTES, end) !== view.getUint32(at + 4)) {
      return { events, isWhole: false }
    }
    const event: QueuedEvent = {
      timeMs: view.getFloat64(at + UNCHECKED_BYTES),
      message: bytes.slice(at + HEADER_BYTES, end),
    }
    events.push({ event, end: { segment, offset: offset + end } })
    at = end
  }
  return { events, isWhole: events.length > 0 }
}
