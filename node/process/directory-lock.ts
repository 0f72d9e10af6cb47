/**
 * The `lock` file of a data directory: one process at a time, and a dead process does not keep it.
 *
 *   lock            "PID START\n" of the holder; START differs for two processes that have had the same id
 *   lock.over-ID    held for an instant by the one process that may take over the lock of the dead process ID
 *
 * Files get their name only when their content is whole (link, rename). A process replaces a stale lock only while it
 * holds `lock.over-…`, and after reading the lock again. So only one of two processes that saw the dead holder gets in.
 *
 * The lock knows the process ids of this machine only. Containers that share one directory, but not their process ids,
 * do not see each other.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../tools/usage-error.ts'

export const LOCK_NAME = 'lock'
const TAKE_OVER_PREFIX = 'lock.over-'
const TEMPORARY_PREFIX = 'lock.new-'
/** More attempts than this mean that others take the lock and die again and again. */
const ATTEMPTS_MAX = 20

/**
 * Whether a file in a data directory belongs to the lock, also one that a dead process has left
 * behind.
 */
export function isLockFile(name: string): boolean {
  return (
    name === LOCK_NAME || name.startsWith(TAKE_OVER_PREFIX) || name.startsWith(TEMPORARY_PREFIX)
  )
}

/** What the lock asks the operating system. Tests pass other processes. */
export interface Processes {
  readonly self: number
  /**
   * A text that is the same during the life of process `pid` and differs for a later process with the same id. Undefined
   * when there is no such process.
   */
  startOf(pid: number): string | undefined
}

export interface DirectoryLock {
  /** Removes the lock file if it is still this process's. */
  release(): void
}

/** Locks that this process holds. Its process id would not tell a second open from the first. */
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
  throw new UsageError(`data directory ${directory}: other processes keep taking its lock`)
}

interface Holder {
  readonly content: string
  readonly pid: number
  readonly start: string
}

/** Undefined when there is no file. A file with other content counts as the lock of a dead process. */
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

/**
 * Removes the lock of a dead process, if it is still that process's. Afterwards the caller tries
 * again: another process may have been faster.
 */
function removeStale(directory: string, path: string, holder: Holder, processes: Processes): void {
  const start = holder.start.replaceAll(/[^A-Za-z0-9]/g, '_')
  const right = join(directory, `${TAKE_OVER_PREFIX}${holder.pid}-${start}`)
  if (!linked(join(directory, `${TEMPORARY_PREFIX}${processes.self}`), right)) {
    const other = readLock(right)
    // Its holder died while it took over the lock: the next process may try.
    if (other !== undefined && !isAlive(other, processes)) rmSync(right, { force: true })
    return
  }
  try {
    // While this process holds `right`, no other one can replace the lock between the check and the removal.
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
 * The processes of this machine. On Linux the start of a process is the boot id and the clock ticks since boot. So a later
 * process with the same id is not taken for the holder; in containers ids are nearly always the same.
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
        // Z and X are dead processes that wait for their parent to notice.
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
