/** Small disks, one for each node: loop mounts. Without the right to mount, plain directories, which can't be full. */

import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../../bench/harness/process.ts'
import type { Guard } from './guard.ts'

export class Disks {
  readonly #scratch: string
  readonly #guard: Guard
  readonly #sizeMib: number
  /** Why mounting is not permitted; undefined when it is. */
  readonly refusal: string | undefined

  private constructor(scratch: string, guard: Guard, sizeMib: number, refusal?: string) {
    this.#scratch = scratch
    this.#guard = guard
    this.#sizeMib = sizeMib
    this.refusal = refusal
  }

  static async create(scratch: string, guard: Guard, sizeMib: number): Promise<Disks> {
    const disks = new Disks(scratch, guard, sizeMib)
    try {
      await disks.add(-1)
      await disks.remove(-1)
      return disks
    } catch (error) {
      await disks.remove(-1)
      return new Disks(scratch, guard, sizeMib, String(error).split('\n')[0] ?? 'unknown')
    }
  }

  /** The data directory of the node. */
  dir(node: number): string {
    return join(this.#path(node), 'data')
  }

  async add(node: number): Promise<void> {
    const path = this.#path(node)
    mkdirSync(path)
    if (this.refusal === undefined) {
      const image = `${path}.img`
      this.#guard.tell({ undo: ['umount', '-l', path] })
      await runCommand('truncate', ['-s', `${this.#sizeMib}M`, image])
      await runCommand('mkfs.ext4', ['-q', '-m', '0', image])
      await runCommand('mount', ['-o', 'loop', image, path])
    }
    mkdirSync(this.dir(node), { mode: 0o700 })
  }

  /** Removes the disk with all that was on it. */
  async remove(node: number): Promise<void> {
    const path = this.#path(node)
    if (!existsSync(path)) return
    if (this.refusal === undefined)
      await runCommand('umount', ['-l', path], { okCodes: [0, 1, 32] })
    rmSync(path, { recursive: true, force: true })
    rmSync(`${path}.img`, { force: true })
  }

  /** Fills the disk to the last few blocks. */
  async fill(node: number): Promise<void> {
    const path = this.#path(node)
    const { bavail, bsize } = statfsSync(path)
    for (let sizeBytes = bavail * bsize, i = 0; sizeBytes >= bsize; i++) {
      const filler = join(path, `filler-${i}`)
      const asked = ['-l', String(sizeBytes), filler]
      const { code } = await runCommand('fallocate', asked, { okCodes: [0, 1] })
      if (code === 0) continue
      rmSync(filler, { force: true })
      sizeBytes = Math.floor(sizeBytes / 2)
    }
  }

  async empty(node: number): Promise<void> {
    const path = this.#path(node)
    await runCommand('find', [path, '-maxdepth', '1', '-name', 'filler-*', '-delete'])
  }

  #path(node: number): string {
    return join(this.#scratch, `disk-${node < 0 ? 'trial' : node}`)
  }
}
