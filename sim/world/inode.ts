/** The bytes of one simulated file: what readers see, and what of it would survive a crash. */

import { SparseBytes } from './sparse-bytes.ts'

interface Pending {
  readonly kind: 'write' | 'truncate'
  readonly at: number
  /** Empty for a truncation. */
  readonly bytes: Uint8Array
  /** What lay there before, and how long the file was: to undo it. */
  readonly before: Uint8Array
  readonly sizeBefore: number
  /** The call has returned, so that the next flush covers it. */
  returned: boolean
  state: 'cached' | 'durable' | 'dropped'
}

const SECTORS = [512, 4_096] as const

export const CRASH_FATES = ['lost', 'kept', 'torn', 'scattered'] as const
export type CrashFate = (typeof CRASH_FATES)[number]

function drawFate(random: () => number): CrashFate {
  return CRASH_FATES[Math.floor(random() * CRASH_FATES.length)] as CrashFate
}

export class Inode {
  sizeBytes = 0
  private bytes = new SparseBytes()
  private pending: Pending[] = []

  /** A durable file with these bytes. */
  static of(bytes: Uint8Array): Inode {
    const inode = new Inode()
    inode.bytes.write(bytes, 0)
    inode.sizeBytes = bytes.length
    return inode
  }

  content(): Uint8Array {
    return this.bytes.slice(0, this.sizeBytes)
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - position))
    this.bytes.read(count < into.length ? into.subarray(0, count) : into, position)
    return count
  }

  /** Visible at once; the result says that the call has returned. */
  write(at: number, bytes: Uint8Array): () => void {
    return this.change('write', at, bytes)
  }

  truncate(sizeBytes: number): () => void {
    return this.change('truncate', sizeBytes, new Uint8Array(0))
  }

  /** The process that wrote has ended: its writes are in the page cache, and the next flush by any process covers them. */
  writersGone(): void {
    for (const pending of this.pending) pending.returned = true
  }

  /** What a flush that begins now covers. */
  mark(): ReadonlySet<unknown> {
    return new Set(this.pending.filter((pending) => pending.returned))
  }

  flushed(mark: ReadonlySet<unknown>): void {
    for (const pending of this.pending) {
      if (mark.has(pending) && pending.state === 'cached') pending.state = 'durable'
    }
    while (this.pending[0]?.state === 'durable') this.pending.shift()
  }

  /** The flush failed: the cache keeps these bytes and believes them clean. */
  dropped(mark: ReadonlySet<unknown>): void {
    for (const pending of this.pending) {
      if (mark.has(pending) && pending.state === 'cached') pending.state = 'dropped'
    }
  }

  corrupt(offset: number, mask: number): void {
    this.bytes.flip(offset, mask)
  }

  clone(): Inode {
    const copy = new Inode()
    copy.sizeBytes = this.sizeBytes
    copy.bytes = this.bytes.clone()
    copy.pending = this.pending.map((pending) => ({ ...pending }))
    return copy
  }

  /** `fate` settles what happens to every unflushed write; without it each draws its own. */
  crash(random: () => number, fate?: CrashFate): void {
    const pending = this.pending
    this.pending = []
    for (const change of pending.toReversed()) {
      this.sizeBytes = Math.max(this.sizeBytes, change.sizeBefore)
      this.bytes.write(change.before, change.at)
      this.bytes.clear(change.sizeBefore)
      this.sizeBytes = change.sizeBefore
    }
    for (const change of pending) {
      if (change.state === 'durable') this.apply(change.kind, change.at, change.bytes)
      else this.applyByChance(change, random, fate ?? drawFate(random))
    }
  }

  private applyByChance({ kind, at, bytes }: Pending, random: () => number, fate: CrashFate): void {
    if (fate === 'lost') return
    if (fate === 'kept' || kind === 'truncate') return this.apply(kind, at, bytes)
    const sector = SECTORS[random() < 0.5 ? 0 : 1] as number
    const cuts: [number, number][] = []
    for (let start = at; start < at + bytes.length;) {
      const end = Math.min(at + bytes.length, (Math.floor(start / sector) + 1) * sector)
      cuts.push([start, end])
      start = end
    }
    const kept = fate === 'torn' ? Math.floor(random() * (cuts.length + 1)) : undefined
    for (const [i, [start, end]] of cuts.entries()) {
      if (kept === undefined ? random() < 0.5 : i < kept) {
        this.apply('write', start, bytes.subarray(start - at, end - at))
      }
    }
  }

  private change(kind: Pending['kind'], at: number, bytes: Uint8Array): () => void {
    const end = kind === 'write' ? at + bytes.length : this.sizeBytes
    const pending: Pending = {
      kind,
      at,
      bytes,
      before: this.bytes.slice(at, Math.max(at, Math.min(end, this.sizeBytes))),
      sizeBefore: this.sizeBytes,
      returned: false,
      state: 'cached',
    }
    this.pending.push(pending)
    this.apply(kind, at, bytes)
    return () => {
      pending.returned = true
    }
  }

  private apply(kind: Pending['kind'], at: number, bytes: Uint8Array): void {
    if (kind === 'truncate') {
      this.bytes.clear(at)
      this.sizeBytes = at
      return
    }
    if (bytes.length === 0) return
    this.bytes.write(bytes, at)
    this.sizeBytes = Math.max(this.sizeBytes, at + bytes.length)
  }
}
