/** The long turns that turns.ts noted, read again. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Turn {
  readonly endMs: number
  readonly wallMs: number
  readonly cpuMs: number
  readonly queuedMs: number
}

/** The largest value of each kind over several turns. */
export interface Longest {
  readonly wallMs: number
  readonly cpuMs: number
  /** Wall time without the time that the thread waited for a processor. */
  readonly ownMs: number
}

/** The longest of a process's turns that ended between two instants of the wall clock. */
export function longestTurn(
  directory: string,
  pid: number,
  fromMs: number,
  untilMs: number,
): Longest {
  const longest = { wallMs: 0, cpuMs: 0, ownMs: 0 }
  for (const turn of turnsOf(directory, pid)) {
    if (turn.endMs < fromMs || turn.endMs > untilMs) continue
    longest.wallMs = Math.max(longest.wallMs, turn.wallMs)
    longest.cpuMs = Math.max(longest.cpuMs, turn.cpuMs)
    longest.ownMs = Math.max(longest.ownMs, turn.wallMs - turn.queuedMs)
  }
  return longest
}

function turnsOf(directory: string, pid: number): Turn[] {
  let text: string
  try {
    text = readFileSync(join(directory, String(pid)), 'utf8')
  } catch {
    return []
  }
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Turn)
}
