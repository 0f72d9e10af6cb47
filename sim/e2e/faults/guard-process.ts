/**
 * The process behind guard.ts. It reads what to undo from standard input, and undoes all of it when that input
 * ends, however the test has ended.
 */

import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { GuardLine } from './guard-line.ts'

const COMMAND_MS = 20_000
const DEATH_MS = 5_000

const groups = new Set<number>()
const undo: (readonly string[])[] = []
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text) as GuardLine
  if ('own' in line) groups.add(line.own)
  else if ('disown' in line) groups.delete(line.disown)
  else undo.push(line.undo)
}
for (const group of groups) signal(group, 'SIGKILL')
const deadline = performance.now() + DEATH_MS
while ([...groups].some((group) => signal(group, 0)) && performance.now() < deadline) {
  await new Promise((resolve) => void setTimeout(resolve, 20))
}
for (const [program = '', ...args] of undo.reverse()) {
  try {
    execFileSync(program, args, { timeout: COMMAND_MS, stdio: 'ignore' })
  } catch {
    // It was undone before, or never done.
  }
}

/** False when no process of the group is left. */
function signal(group: number, name: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-group, name)
  } catch {
    return false
  }
}
