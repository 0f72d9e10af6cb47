/**
 * The `lock` file of a data directory: one process at a time, and none for ever.
 *
 *   lock            "PID START\n" of the holder; START tells one process of this id from the next
 *   lock.over-ID    held for an instant by the one process that may take over the lock of a dead ID
 *
 * A file appears under its name with its content or not at all (link, rename). A stale lock is
 * replaced only under `lock.over-…` and after it was read again, so that of two processes that both
 * saw the dead holder only one gets in.
 *
 * Holders are told apart by process ids of this machine: containers that share one directory but not
 * their process ids are not seen.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../tools/usage-error.ts'

export const LOCK_NAME = 'lock'
const TAKE_OVER_PREFIX = 'lock.over-'
const TEMPORARY_PREFIX = 'lock.new-'
const ATTEMPTS_MAX = 20

export function isLockFile(name: string): boolean {
  return (
    name === LOCK_NAME || name.startsWith(TAKE_OVER_PREFIX) || name.startsWith(TEMPORARY_PREFIX)
  )
}

/** What the lock asks of the operating system; tests put other processes in its place. */
export interface Processes {
  readonly self: number
  /** Some text that is the same during the life of process `pid` and differs for a later process of
   * the same id; undefined when there is no such process. */
  startOf(pid: number): string | undefined
}

export interface DirectoryLock {
  /** Removes the lock file if it is still this process's. */
  release(): void
}

/** Locks of this very process, which its process id can't tell apart. */
const heldHere = new Set<string>()

/** Throws UsageError when a living process holds the directory. */
export function lockDirectory(directory: string, processes: Processes): DirectoryLock {
  const path = join(directory, LOCK_NAME)
  const start = processes.startOf(processes.self) ?? '0'
  const content = `${processes.self} ${start}\n`
  if (heldHere.has(path)) throw inUse(directory, processes.self)
  const temporary = join(directory, `${TEMPORARY_PREFIX}${processes.self}`)
  writeFileSync(temporary, content, { mode: 0o600, flush: true })
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (linked(temporary, path)) {
        heldHere.add(path)
        return { release: () => release(path, content) }
      }
      const holder = readLock(path)
      if (holder === undefined) continue
      if (isAlive(holder, processes)) throw inUse(directory, holder.pid)
      removeStale(directory, path, holder, processes)
    }
  } finally {
    rmSync(temporary, { force: true })
  }
  throw new UsageError(`data directory ${directory}: its lock changes hands all the time`)
}

interface Holder {
  readonly content: string
  readonly pid: number
  readonly start: string
}

/** Undefined when there is none. A file that is no lock's content belongs to nobody. */
function readLock(path: string): Holder | undefined {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const match = /^(\d{1,10}) (\S{1,100})\n$/.exec(content)
  return { content, pid: Number(match?.[1] ?? 0), start: match?.[2] ?? '' }
}

function isAlive(holder: Holder, processes: Processes): boolean {
  return holder.pid > 0 && processes.startOf(holder.pid) === holder.start
}

function removeStale(directory: string, path: string, holder: Holder, processes: Processes): void {
  const start = holder.start.replaceAll(/[^A-Za-z0-9]/g, '_')
  const right = join(directory, `${TAKE_OVER_PREFIX}${holder.pid}-${start}`)
  if (!linked(join(directory, `${TEMPORARY_PREFIX}${processes.self}`), right)) {
    const other = readLock(right)
    // Its holder died in the very act: then the right is free again.
    if (other !== undefined && !isAlive(other, processes)) rmSync(right, { force: true })
    return
  }
  try {
    // Only now is the lock certain not to change hands between the look and the removal.
    if (readLock(path)?.content === holder.content) {
      renameSync(path, join(directory, `${TEMPORARY_PREFIX}stale-${processes.self}`))
      rmSync(join(directory, `${TEMPORARY_PREFIX}stale-${processes.self}`), { force: true })
    }
  } finally {
    rmSync(right, { force: true })
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function release(path: string, content: string): void {
  heldHere.delete(path)
  if (readLock(path)?.content === content) rmSync(path, { force: true })
}

function inUse(directory: string, pid: number): UsageError {
  return new UsageError(`data directory ${directory} is in use by process ${pid}`)
}

/**
 * The processes of this machine. On Linux a process's start is boot id and clock ticks since boot, so
 * that neither a reused id (in containers nearly always the same) nor a reboot looks like the holder.
 */
export function systemProcesses(): Processes {
  return {
    self: process.pid,
    startOf(pid) {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
        // The second field is the program's name in parentheses and may hold anything.
        const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        // Z and X: dead, and only waiting for the parent to notice.
        if (rest[0] === 'Z' || rest[0] === 'X') return undefined
        return `${boot}:${rest[19] ?? ''}`
      } catch {
        return canSignal(pid) ? '0' : undefined
      }
    },
  }
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
