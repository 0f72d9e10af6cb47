/**
 * One node of `shoal cluster` as a child process.
 *
 * It has a process group of its own, so that Ctrl-C reaches only the parent, which then stops all nodes in order. Its IPC
 * channel closes when the parent ends for any reason, and the child then stops itself.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import type { ReadyMessage } from './start.ts'

/** How to start the child. */
export interface ChildOptions {
  /** 'node-0': for messages. */
  readonly name: string
  /** The script to run: node/main.ts. */
  readonly entry: string
  /** Options of `shoal start`, without secrets: other users can see them. */
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Text for its standard input: a secret that must not be an argument. */
  readonly input?: string | undefined
}

export interface ChildExit {
  /** For example 'exit code 1' or 'signal SIGKILL'. */
  readonly how: string
}

/** Starts the process in its constructor. There is no restart: a node that ends stays away. */
export class ChildNode {
  readonly name: string
  /** Undefined when the process could not be started. */
  readonly pid: number | undefined
  /** Resolves when the node serves. Never resolves when it ends before that. */
  readonly ready: Promise<ReadyMessage>
  /** Resolves when the process has ended, or could not be started. Never rejects. */
  readonly exited: Promise<ChildExit>
  #running = true
  readonly #process: ChildProcess

  constructor({ name, entry, args, env, input }: ChildOptions) {
    this.name = name
    this.#process = spawn(
      process.execPath,
      [...process.execArgv, entry, 'start', '--supervised', ...args],
      {
        stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit', 'ipc'],
        detached: true,
        env,
      },
    )
    // A child that ends before it has read this is reported by its exit.
    this.#process.stdin?.on('error', () => {})
    this.#process.stdin?.end(input)
    this.pid = this.#process.pid
    this.ready = new Promise((resolve) => {
      this.#process.on('message', (message) => {
        if (isReady(message)) resolve(message)
      })
    })
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#running = false
        resolve({ how })
      }
      this.#process.once('error', (error) => ended(error.message))
      this.#process.once('exit', (code, signal) =>
        ended(signal === null ? `exit code ${code ?? 'unknown'}` : `signal ${signal}`),
      )
    })
  }

  /** True until `exited` resolves. */
  get running(): boolean {
    return this.#running
  }

  /** Does nothing once the process has ended: its id may belong to another process by then. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#running) this.#process.kill(signal)
  }
}

/** The channel carries only this message, but its type is not known to the compiler. */
function isReady(message: unknown): message is ReadyMessage {
  return (
    typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready'
  )
}
