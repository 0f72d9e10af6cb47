/**
 * A Disk that can crash, fail and lie, from a seed.
 *
 * What was written shows at once to readers (the page cache), but is durable only after a flush that
 * was called when the write had returned. At a crash each unflushed write is, by chance, lost, kept,
 * torn (its first sectors only) or scattered (some of its sectors), in sectors of 512 or 4,096 bytes.
 * Names are durable after syncDirectory; of the others a prefix survives, directory by directory.
 *
 * A flush that fails drops its writes: readers still see them, and no later flush makes them durable,
 * as Linux does (D5).
 */

import type { Clock, Disk, DiskFile } from '../../node/env/ports.ts'
import { Inode, type CrashFate } from './inode.ts'
import {
  DISK_OPERATIONS,
  DiskFailure,
  type DiskOperation,
  type DiskPlace,
  type WriteLie,
} from './disk-operations.ts'
import { NameChange, parentDirectory, normalPath } from './disk-names.ts'
import { type FileDisk, SimulatedFile } from './simulated-file.ts'

export interface SimulatedDiskOptions {
  readonly clock: Clock
  /** In [0, 1), seeded. */
  readonly random: () => number
  readonly capacityBytes?: number
  /** The longest time of one operation; drawn evenly. Default 0.2. */
  readonly latencyMs?: number
}

/** A copy of a whole data directory, as `cp -a` makes one. */
export type DiskImage = ReadonlyMap<string, Uint8Array>

export class SimulatedDisk implements Disk, FileDisk {
  capacityBytes: number
  /** Asked before every operation, reads with their place: an errno's name makes it fail. */
  fault:
    ((operation: DiskOperation, path: string, place?: DiskPlace) => string | undefined) | undefined
  /** Asked before every write. */
  lie: ((path: string, position: number, length: number) => WriteLie | undefined) | undefined
  /** Writes, flushes, truncations and changes of names so far. */
  mutations = 0
  /** Called before every mutation. */
  onMutation: (() => void) | undefined
  /** Before this many mutations the disk stops for good, as at a power cut: nothing completes. */
  haltAt = Number.POSITIVE_INFINITY

  /** Synchronous reads while reads hang: the real ones would have stopped the whole process. */
  syncReadsWhileHung = 0

  private readonly clock: Clock
  private readonly random: () => number
  private readonly latencyMs: number
  private hung: ReadonlySet<DiskOperation> = new Set()
  /** What hung operations have to report, in order. */
  private held: (() => void)[] = []
  private names = new Map<string, Inode>()
  private durableNames = new Map<string, Inode>()
  private nameChanges: NameChange[] = []
  private readonly directories = new Set<string>(['.'])
  /** Handles and operations of an earlier life are dead. */
  private life = 0

  constructor(options: SimulatedDiskOptions) {
    this.clock = options.clock
    this.random = options.random
    this.latencyMs = options.latencyMs ?? 0.2
    this.capacityBytes = options.capacityBytes ?? 2 ** 40
  }

  get halted(): boolean {
    return this.mutations >= this.haltAt
  }

  /** Power cut: what is durable, and by chance some of what is not, is left. Old handles are dead. */
  crash(fate?: CrashFate): void {
    this.life++
    this.held = []
    this.haltAt = Number.POSITIVE_INFINITY
    const inodes = new Set([...this.names.values(), ...this.durableNames.values()])
    const dropped = new Set<string>()
    for (const change of this.nameChanges) {
      if (dropped.has(change.directory)) continue
      if (fate === undefined || fate === 'scattered' ? this.random() < 0.5 : fate !== 'lost') {
        change.apply(this.durableNames)
      } else {
        dropped.add(change.directory)
      }
    }
    this.nameChanges = []
    this.names = new Map(this.durableNames)
    for (const inode of inodes) inode.crash(this.random, fate)
  }

  /** The same bytes and names, pending ones included, on a disk of their own. */
  clone(options: SimulatedDiskOptions): SimulatedDisk {
    const copy = new SimulatedDisk(options)
    const clones = new Map<Inode, Inode>()
    const cloneOf = (inode: Inode): Inode => {
      const known = clones.get(inode) ?? inode.clone()
      clones.set(inode, known)
      return known
    }
    const cloned = (names: ReadonlyMap<string, Inode>): Map<string, Inode> =>
      new Map([...names].map(([name, inode]) => [name, cloneOf(inode)]))
    copy.names = cloned(this.names)
    copy.durableNames = cloned(this.durableNames)
    copy.nameChanges = this.nameChanges.map((change) => change.clone(cloneOf))
    for (const directory of this.directories) copy.directories.add(directory)
    return copy
  }

  /** The process dies, the machine does not: everything written stays, as the page cache has it. */
  kill(): void {
    this.life++
    this.held = []
    this.haltAt = Number.POSITIVE_INFINITY
    for (const inode of this.names.values()) inode.writersGone()
  }

  /** Flips bits of one byte, in cache and on the platter. */
  corrupt(path: string, offset: number, mask: number): void {
    this.inode(path).corrupt(offset, mask)
  }

  contentOf(path: string): Uint8Array {
    return this.inode(path).content()
  }

  /** The paths of all files, sorted. */
  paths(): string[] {
    return [...this.names.keys()].toSorted()
  }

  /** A file is gone, durably, as after `rm` or a bad sector of the directory. Open handles keep it. */
  lose(path: string): void {
    const inode = this.inode(path)
    for (const change of this.nameChanges) change.apply(this.durableNames)
    this.nameChanges = []
    for (const names of [this.names, this.durableNames]) {
      for (const [name, other] of names) if (other === inode) names.delete(name)
    }
  }

  /** From now on these operations, and those of them that are under way, never report, until `release`. What
   * is written shows, but no flush is durable. All operations unless given. */
  hang(operations: readonly DiskOperation[] = DISK_OPERATIONS): void {
    this.hung = new Set(operations)
  }

  /** What hung reports now, in order. */
  release(): void {
    this.hung = new Set()
    for (const report of this.held.splice(0)) report()
  }

  get isHung(): boolean {
    return this.hung.size > 0
  }

  /** From now on these operations fail with `code`, an errno's name. `[]`: none does. Uses `fault`. */
  fail(operations: readonly DiskOperation[], code = 'EIO'): void {
    const failing = new Set(operations)
    this.fault =
      failing.size === 0 ? undefined : (operation) => (failing.has(operation) ? code : undefined)
  }

  /** A file is put here by hand, durably, in place of what has its name. */
  put(path: string, bytes: Uint8Array): void {
    const inode = Inode.of(bytes)
    for (const names of [this.names, this.durableNames]) names.set(normalPath(path), inode)
  }

  image(): DiskImage {
    return new Map(this.paths().map((path) => [path, this.contentOf(path)]))
  }

  /** The old copy is put back in place of everything that is here, durably. Handles are dead. */
  restore(image: DiskImage): void {
    this.kill()
    this.nameChanges = []
    this.names = new Map([...image].map(([path, bytes]) => [path, Inode.of(bytes)]))
    this.durableNames = new Map(this.names)
  }

  usedBytes(): number {
    let used = 0
    for (const inode of this.names.values()) used += inode.sizeBytes
    return used
  }

  list(directory: string): Promise<string[]> {
    return this.operate('open', directory, () => {
      const prefix = normalPath(directory) === '.' ? '' : `${normalPath(directory)}/`
      const found = new Set<string>()
      for (const path of [...this.names.keys(), ...this.directories]) {
        if (path === '.' || !path.startsWith(prefix)) continue
        found.add(path.slice(prefix.length).split('/')[0] as string)
      }
      return [...found]
    })
  }

  makeDirectory(directory: string): Promise<void> {
    return this.mutate('open', directory, () => {
      const parts = normalPath(directory).split('/')
      for (let i = 1; i <= parts.length; i++) this.directories.add(parts.slice(0, i).join('/'))
    })
  }

  open(path: string, mode: 'create' | 'write' | 'read'): Promise<DiskFile> {
    const open = (): DiskFile => {
      const name = normalPath(path)
      if (mode === 'create') {
        if (this.names.has(name)) throw new DiskFailure('EEXIST', path)
        this.changeNames(new NameChange(name, new Inode()))
      }
      return new SimulatedFile(this, name, this.inode(name))
    }
    return mode === 'create' ? this.mutate('open', path, open) : this.operate('open', path, open)
  }

  rename(from: string, to: string): Promise<void> {
    return this.mutate('rename', from, () => {
      this.changeNames(new NameChange(normalPath(to), this.inode(from), normalPath(from)))
    })
  }

  remove(path: string): Promise<void> {
    return this.mutate('remove', path, () => {
      this.inode(path)
      this.changeNames(new NameChange(normalPath(path)))
    })
  }

  syncDirectory(directory: string): Promise<void> {
    return this.mutate('sync-directory', directory, () => {
      for (const change of this.nameChanges) {
        if (change.directory === normalPath(directory)) change.apply(this.durableNames)
      }
      this.nameChanges = this.nameChanges.filter((c) => c.directory !== normalPath(directory))
    })
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return this.operate('read', path, () => this.names.get(normalPath(path))?.content())
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`
    if (this.names.has(normalPath(temporary))) await this.remove(temporary)
    const file = await this.open(temporary, 'create')
    await file.write([bytes], 0)
    await file.flush()
    await file.close()
    await this.rename(temporary, path)
    await this.syncDirectory(parentDirectory(normalPath(path)))
  }

  space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return this.operate('space', '.', () => ({
      totalBytes: this.capacityBytes,
      freeBytes: Math.max(0, this.capacityBytes - this.usedBytes()),
    }))
  }

  /** Reads: at the end of the latency. */
  operate<T>(operation: DiskOperation, path: string, act: () => T, place?: DiskPlace): Promise<T> {
    return this.later(operation, () => {
      this.check(operation, path, place)
      return act()
    })
  }

  /** Changes: at once, though they report after the latency, so that a crash may fall between. */
  mutate<T>(operation: DiskOperation, path: string, act: () => T): Promise<T> {
    if (this.halted) return new Promise(() => {})
    this.onMutation?.()
    this.mutations++
    let outcome: () => T
    try {
      this.check(operation, path)
      const result = act()
      outcome = () => result
    } catch (error) {
      outcome = () => {
        throw error
      }
    }
    return this.later(operation, outcome)
  }

  /** Reports the outcome after the latency, or, of an operation that hangs, when the disk is released. */
  later<T>(operation: DiskOperation, outcome: () => T): Promise<T> {
    const { life } = this
    return new Promise((resolve, reject) => {
      const report = (): void => {
        if (this.life !== life || this.halted) return
        if (this.hung.has(operation)) {
          this.held.push(report)
          return
        }
        try {
          resolve(outcome())
        } catch (error) {
          reject(error as Error)
        }
      }
      this.clock.after(this.random() * this.latencyMs, report)
    })
  }

  noteSyncRead(): void {
    if (this.hung.has('read')) this.syncReadsWhileHung++
  }

  check(operation: DiskOperation, path: string, place?: DiskPlace): void {
    const code = this.fault?.(operation, path, place)
    if (code !== undefined) throw new DiskFailure(code, path)
  }

  private inode(path: string): Inode {
    const inode = this.names.get(normalPath(path))
    if (inode === undefined) throw new DiskFailure('ENOENT', path)
    return inode
  }

  private changeNames(change: NameChange): void {
    change.apply(this.names)
    this.nameChanges.push(change)
  }
}
