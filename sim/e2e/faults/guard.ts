/**
 * Undoes what a test does to the machine: processes, namespaces, mounts, directories. A separate process does that, so
 * that it also happens when the test is killed with SIGKILL.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { GuardLine } from './guard-line.ts'

export class Guard {
  readonly #process: ChildProcess
  readonly #end: Promise<void>

  constructor() {
    const script = fileURLToPath(new URL('./guard-process.ts', import.meta.url))
    // Detached, so that a signal which ends the test does not end this process.
    this.#process = spawn(process.execPath, [script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    this.#end = new Promise((resolve) => {
      this.#process.once('close', () => resolve())
    })
  }

  tell(line: GuardLine): void {
    this.#process.stdin?.write(`${JSON.stringify(line)}\n`)
  }

  /** Resolves once everything is undone. */
  async close(): Promise<void> {
    this.#process.stdin?.end()
    await this.#end
  }
}
