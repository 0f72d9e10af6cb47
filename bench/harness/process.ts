/**
 * Child processes, each with an owner and a deadline.
 *
 * Every child leads a process group of its own, so that what it starts goes with it. When this process
 * ends, except by SIGKILL, all groups that are still alive are killed.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

const owned = new Set<number>()
let hooked = false

/** Kills every group that is still ours. Safe to call twice. */
export function killOwned(): void {
  for (const pid of owned) signalGroup(pid, 'SIGKILL')
  owned.clear()
}

function hookExit(): void {
  if (hooked) return
  hooked = true
  process.on('exit', killOwned)
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(name, () => process.exit(code))
  }
}

/** Signals a process group; true when something was there to be signalled. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  if (pid <= 0) return false
  try {
    process.kill(-pid, signal)
    return true
  } catch {
    return false
  }
}

/** True while a process with this id exists (a zombie counts as gone). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export interface ChildProcessOptions {
  readonly cwd?: string
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** A long-running child whose output is kept (its last 256 KiB) and can be awaited line by line. */
export class Child {
  readonly process: ChildProcess
  readonly pid: number
  readonly #title: string
  readonly #exit: Promise<number>
  #output = ''
  #exitCode: number | undefined
  readonly #watchers = new Set<() => void>()

  constructor(command: string, args: readonly string[], options: ChildProcessOptions = {}) {
    hookExit()
    this.#title = [command, ...args].join(' ')
    this.process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.pid = this.process.pid ?? 0
    if (this.pid > 0) owned.add(this.pid)
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#take(text))
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.#take(text))
    this.#exit = new Promise((resolve) => {
      const done = (code: number): void => {
        this.#exitCode ??= code
        this.#wake()
        resolve(code)
      }
      this.process.once('error', (error) => {
        this.#take(`${String(error)}\n`)
        done(127)
      })
      this.process.once('close', (code) => {
        // What it started may outlive it: the group stays ours until it is empty.
        if (!signalGroup(this.pid, 'SIGCONT')) owned.delete(this.pid)
        done(code ?? 128)
      })
    })
  }

  get output(): string {
    return this.#output
  }

  /** Undefined while it runs; 128 when a signal ended it. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  #take(text: string): void {
    this.#output = (this.#output + text).slice(-(256 << 10))
    this.#wake()
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher()
  }

  /** Resolves once `find` gives a value of the output so far. Rejects at the deadline or when the child ends. */
  async waitFor<T>(
    what: string,
    find: (output: string) => T | undefined,
    timeoutMs: number,
  ): Promise<T> {
    let watcher = (): void => {}
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        const fail = (why: string): void =>
          reject(new Error(`${this.#title}: ${why} before ${what}\n${tail(this.#output)}`))
        watcher = (): void => {
          const found = find(this.#output)
          if (found !== undefined) resolve(found)
          else if (this.#exitCode !== undefined) fail(`ended with ${this.#exitCode}`)
        }
        timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs)
        this.#watchers.add(watcher)
        watcher()
      })
    } finally {
      clearTimeout(timer)
      this.#watchers.delete(watcher)
    }
  }

  /** Waits for its end; undefined when the deadline comes first. */
  async exited(timeoutMs: number): Promise<number | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), timeoutMs)
    })
    try {
      return await Promise.race([this.#exit, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** SIGTERM, and SIGKILL to the whole group when that is not obeyed. Returns the exit code. */
  async stop(graceMs = 15_000): Promise<number> {
    if (this.#exitCode === undefined) signalGroup(this.pid, 'SIGTERM')
    const code = await this.exited(graceMs)
    signalGroup(this.pid, 'SIGKILL')
    owned.delete(this.pid)
    return code ?? (await this.exited(5_000)) ?? 137
  }

  /** SIGKILL to the whole group, at once. */
  async kill(): Promise<void> {
    signalGroup(this.pid, 'SIGKILL')
    await this.exited(5_000)
    owned.delete(this.pid)
  }
}

export interface CommandOptions extends ChildProcessOptions {
  readonly timeoutMs?: number
  /** Exit codes that are not a failure; 0 only unless given. */
  readonly okCodes?: readonly number[]
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. Rejects on another exit code or at the deadline, showing what it wrote. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<RunResult> {
  hookExit()
  const timeoutMs = options.timeoutMs ?? 120_000
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const pid = child.pid ?? 0
  if (pid > 0) owned.add(pid)
  const stdout: string[] = []
  const stderr: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
  let late = false
  const timer = setTimeout(() => {
    late = true
    signalGroup(pid, 'SIGKILL')
  }, timeoutMs)
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 128))
  }).finally(() => {
    clearTimeout(timer)
    owned.delete(pid)
  })
  const result = { code, stdout: stdout.join(''), stderr: stderr.join('') }
  if (late || !(options.okCodes ?? [0]).includes(code)) {
    const why = late ? `killed after ${timeoutMs} ms` : `exit code ${code}`
    const wrote = tail(`${result.stdout}\n${result.stderr}`.trim())
    throw new Error(`${command} ${args.join(' ')}: ${why}\n${wrote}`)
  }
  return result
}

/** The path of a program, or undefined when it is not installed. */
export async function which(program: string): Promise<string | undefined> {
  const { code, stdout } = await runCommand('sh', ['-c', `command -v "$1"`, 'sh', program], {
    okCodes: [0, 1, 127],
    timeoutMs: 10_000,
  })
  return code === 0 ? stdout.trim() : undefined
}

/** The port of the option `--base-port`; undefined where it was not given, and then free ports are chosen. */
export function portOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

export function tail(text: string, lines = 40): string {
  return text.split('\n').slice(-lines).join('\n')
}

/** What an unknown thing that was thrown says. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error)
}

export async function pauseMs(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

/** Asks until `probe` gives a value; rejects at the deadline with what `probe` last threw. */
export async function untilTrue<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  timeoutMs: number,
  everyMs = 200,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const found = await probe()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    await pauseMs(everyMs)
  }
  const detail = last === undefined ? '' : `: ${reason(last)}`
  throw new Error(`${what}: not within ${timeoutMs} ms${detail}`)
}
