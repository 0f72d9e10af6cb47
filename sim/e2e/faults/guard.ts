/**
 * Undoes what a test does to the machine: processes, namespaces, mounts, directories. A process of its own does that,
 * so that it is done as well when the test is killed with SIGKILL.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export type GuardLine =
  /** A process group to be killed. */
  | { readonly own: number }
  | { readonly disown: number }
  /** A command. The last one is run first. */
  | { readonly undo: readonly string[] }

export class Guard {
  readonly #process: ChildProcess
  readonly #end: Promise<void>

  constructor() {
    const script = fileURLToPath(new URL('./guard-process.ts', import.meta.url))
    // A session of its own: what ends the test must not end this.
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

  /** Everything is undone after this. */
  async close(): Promise<void> {
    this.#process.stdin?.end()
    await this.#end
  }
}
