/**
 * Loaded into a node before its own code (`node --import`): notes each long turn of its event loop in a file,
 * with the processor time of the turn and the time that it waited for a processor.
 *
 * A timer fires every few milliseconds. What keeps it from firing is a turn, whose length is known up to that
 * interval. The kernel says how long the main thread was ready to run and did not (schedstat), so a turn
 * that is long because other processes had the processor can be told from one that is long by its own work.
 */

import { appendFileSync, closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

const EVERY_MS = 4
const NOTED_MS = 15
const directory = process.env['ATTACK_TURNS']

function watch(path: string): void {
  const schedstat = openSync('/proc/self/schedstat', 'r')
  process.on('exit', () => closeSync(schedstat))
  const buffer = Buffer.alloc(128)
  /** Time on a processor's queue, of the main thread. */
  const queuedMs = (): number => {
    const length = readSync(schedstat, buffer, 0, buffer.length, 0)
    return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6
  }
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let before = { wall: performance.now(), cpu: cpuMs(), queued: queuedMs() }
  setInterval(() => {
    const now = { wall: performance.now(), cpu: cpuMs(), queued: queuedMs() }
    const wallMs = now.wall - before.wall
    if (wallMs > NOTED_MS) {
      const turn = {
        endMs: Date.now(),
        wallMs,
        cpuMs: now.cpu - before.cpu,
        queuedMs: now.queued - before.queued,
      }
      appendFileSync(path, `${JSON.stringify(turn)}\n`)
    }
    before = now
  }, EVERY_MS).unref()
}

if (directory !== undefined) watch(join(directory, String(process.pid)))
