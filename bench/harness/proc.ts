/** What Linux tells about a process: CPU time and memory, from /proc. */

import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second of /proc/PID/stat; USER_HZ is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

/** User and system time of a process with all its threads, milliseconds. */
export function cpuMs(pid: number): number {
  return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

/** The second field, the name, may hold spaces and brackets: count from the last bracket. */
export function parseStat(stat: string): number {
  const fields = fieldsOf(stat)
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}

/** User and system time of the threads of a process, milliseconds by name of the thread. */
export function threadsCpuMs(pid: number): Map<string, number> {
  const times = new Map<string, number>()
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1')
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      times.set(name, parseStat(stat) + (times.get(name) ?? 0))
    } catch {
      // The thread has ended since the folder was read.
    }
  }
  return times
}

/** The process group of a process. */
export function groupOf(pid: number): number {
  return Number(fieldsOf(readFileSync(`/proc/${pid}/stat`, 'latin1'))[2])
}

/** From the third field, the state, on. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

export interface Memory {
  /** Now resident, bytes. */
  readonly rssBytes: number
  /** The most that was ever resident, bytes. */
  readonly rssBytesMax: number
  /** The resident part that is not mapped from a file: heap, buffers, stacks. Bytes. */
  readonly anonymousBytes: number
}

export function memory(pid: number): Memory {
  return parseStatus(readFileSync(`/proc/${pid}/status`, 'latin1'))
}

export function parseStatus(status: string): Memory {
  const kib = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN)
  return {
    rssBytes: kib('VmRSS'),
    rssBytesMax: kib('VmHWM'),
    anonymousBytes: kib('RssAnon'),
  }
}

/** How many files, sockets and pipes a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
