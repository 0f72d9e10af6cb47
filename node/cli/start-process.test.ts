/** `shoal start` as a process: what it refuses, what it prints, and that a log which can't be written does not end it. */

import { spawn, type ChildProcess } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readNode } from '../process/node-file.ts'
import { freeBasePort } from '../testing/free-ports.ts'

const MAIN = join(import.meta.dirname, '..', 'main.ts')
const TIMEOUT_MS = 90_000

let parent: string
let data: string
let children: ChildProcess[]

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'shoal-start-'))
  data = join(parent, 'data')
  children = []
})
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  rmSync(parent, { recursive: true, force: true })
})

interface Run {
  readonly child: ChildProcess
  out: string
  errors: string
  /** Exit code of the process; null after a signal. */
  readonly exit: Promise<number | null>
  until(where: 'out' | 'errors', pattern: RegExp): Promise<RegExpExecArray>
}

function shoal(
  args: readonly string[],
  stderr: 'pipe' | number = 'pipe',
  nodeArgs: readonly string[] = [],
): Run {
  const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
    stdio: ['ignore', 'pipe', stderr],
  })
  children.push(child)
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let wake = (): void => {}
  const run: Run = {
    child,
    out: '',
    errors: '',
    exit,
    async until(where, pattern) {
      let over = false
      void exit.then(() => setTimeout(() => ((over = true), wake()), 100))
      for (;;) {
        const match = pattern.exec(run[where])
        if (match !== null) return match
        if (over) throw new Error(`it ended without ${pattern}: ${run.out}${run.errors}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => ((run.out += text), wake()))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => ((run.errors += text), wake()))
  return run
}

function start(...args: string[]): Run {
  return shoal(startArgs(...args))
}

function startArgs(...args: string[]): string[] {
  const defaults = {
    '--data': data,
    '--s3': '127.0.0.1:0',
    '--admin': '127.0.0.1:0',
    '--listen': '/ip4/127.0.0.1/tcp/0',
  }
  const missing = Object.entries(defaults).filter(([flag]) => !args.includes(flag))
  return ['start', ...missing.flat(), ...args]
}

async function refused(...args: string[]): Promise<string> {
  const run = start(...args)
  expect(await run.exit).toBe(2)
  // Among lines of the log.
  const lines = run.errors.split('\n').filter((line) => line.startsWith('shoal: '))
  expect(lines).toHaveLength(1)
  return lines[0]!
}

async function stop(run: Run): Promise<void> {
  run.child.kill('SIGTERM')
  expect(await run.exit).toBe(0)
}

describe('a start on a directory', () => {
  it(
    'that is empty founds a cluster and says so; with --cluster only that one is taken',
    async () => {
      const id = 'ab'.repeat(16)
      expect(await refused('--cluster', id)).toMatch(
        /holds no node of cluster abab.* mount its vol/,
      )
      expect(readdirSync(parent)).toEqual([])
      const first = start()
      const [, own] = await first.until(
        'errors',
        /^shoal: founded a NEW cluster ([0-9a-f]{32}) in /m,
      )
      await first.until('out', /^ready /m)
      await stop(first)
      expect(await refused('--cluster', id)).toMatch(`belongs to cluster ${own!}, not to ${id}`)
      const again = start('--cluster', own!)
      await again.until('out', /^ready /m)
      await stop(again)
      expect(again.errors).not.toMatch(/founded a NEW/)
    },
    TIMEOUT_MS,
  )
})

describe('a node whose log is gone (D9)', () => {
  it(
    'does not start, unless that is accepted; without its index it does',
    async () => {
      const first = start()
      await first.until('out', /^ready /m)
      await stop(first)
      const { logId } = readNode(data)!
      expect(logId).toMatch(/^[0-9a-f]{32}$/)
      const log = join(data, 'log')

      rmSync(join(data, 'index'), { recursive: true })
      const second = start()
      await second.until('out', /^ready /m)
      await stop(second)

      renameSync(log, join(parent, 'elsewhere'))
      rmSync(join(data, 'index'), { recursive: true })
      const line = await refused()
      expect(line).toMatch(`the log ${logId!} is gone`)
      expect(line).toMatch(/volume not mounted.* start once with --accept-lost-log/)

      // Earlier programs did not write this field.
      for (const name of ['node.json', 'node.json.copy']) {
        const {
          checksum: _,
          logId: __,
          ...fields
        } = JSON.parse(readFileSync(join(data, name), 'utf8')) as Record<string, unknown>
        writeFileSync(join(data, name), JSON.stringify(fields))
      }
      expect(await refused()).toMatch(/is gone/)

      const accepted = start('--accept-lost-log')
      await accepted.until('errors', /"layout adopted"|layout adopted/)
      accepted.child.kill('SIGTERM')
      await accepted.exit
      expect(readNode(data)!.logId).not.toBe(logId)
      rmSync(log, { recursive: true })
      renameSync(join(parent, 'elsewhere'), log)
      expect(await refused()).toMatch(/is gone|holds another log/)
    },
    TIMEOUT_MS,
  )
})

describe('a member whose cluster is not there', () => {
  it(
    'answers health at once, says what it waits for, and is ready when it says so',
    async () => {
      const base = await freeBasePort(2)
      const [own, other] = [`127.0.0.1:${base}`, `127.0.0.1:${base + 10}`]
      const otherData = join(parent, 'other')
      const peers = [`/ip4/127.0.0.1/tcp/${base + 1}`, `/ip4/127.0.0.1/tcp/${base + 11}`]
      const ownArgs = ['--admin', own, '--listen', peers[0]!]
      const otherArgs = ['--admin', other, '--data', otherData, '--listen', peers[1]!]
      const first = start(...ownArgs)
      await first.until('out', /^ready /m)
      const token = shoal(['token', '--admin', own])
      expect(await token.exit).toBe(0)
      const second = start(...otherArgs, '--join', token.out.trim())
      await second.until('out', /^ready /m)
      expect(second.errors).not.toMatch(/founded/)
      // F37: the argument is hidden, and the user is warned.
      const shown = readFileSync(`/proc/${second.child.pid!}/cmdline`, 'latin1')
      expect([shown.includes(token.out.trim()), shown.includes('main.ts')]).toEqual([false, true])
      expect(second.errors).toMatch(/the join token was an argument/)
      expect(first.out + first.errors + second.out + second.errors).not.toContain(token.out.trim())
      await stop(second)
      await first.until('errors', /the majority of the members is lost/)
      await stop(first)

      const again = start(...ownArgs)
      const health = async (path: string): Promise<[number, string]> => {
        const response = await fetch(`http://${own}/health/${path}`)
        return [response.status, await response.text()]
      }
      const asked = async (): Promise<[number, string] | undefined> =>
        health('ready').catch(() => undefined)
      let answer = await asked()
      while (answer === undefined) {
        await sleep(20)
        answer = await asked()
      }
      expect(answer[0]).toBe(503)
      expect((await health('live'))[0]).toBe(200)
      await again.until('errors', /only 1 of 2 members are up/)
      await sleep(500)
      expect((await health('ready'))[1]).toMatch(/only 1 of 2 members are up/)
      expect(again.out).toBe('')
      const back = start(...otherArgs)
      await again.until('out', /^ready /m)
      expect((await health('ready'))[0]).toBe(200)
      await again.until('errors', /a majority of the members is up/)
      await back.until('out', /^ready /m)
    },
    TIMEOUT_MS,
  )
})

describe('a join that is refused', () => {
  it(
    'by a token that was used already is one line, and the directory is as it was found',
    async () => {
      const own = await freeAddress()
      const first = start('--admin', own)
      await first.until('out', /^ready /m)
      const token = shoal(['token', '--admin', own])
      expect(await token.exit).toBe(0)
      const file = join(parent, 'token')
      writeFileSync(file, token.out, { mode: 0o600 })
      const second = start('--data', join(parent, 'second'), '--join-file', file)
      await second.until('out', /^ready /m)
      const third = join(parent, 'third')
      const twice = start('--data', third, '--join-file', file)
      expect(await twice.exit).toBe(1)
      expect(twice.errors.split('\n').filter((line) => line.startsWith('shoal: '))).toEqual([
        'shoal: the join token was used already; ask for a new one: shoal token',
      ])
      expect(readdirSync(third)).toEqual([])
    },
    TIMEOUT_MS,
  )
})

describe('a log that can not be written', () => {
  it(
    'on a full disk does not kill the node, at its start neither',
    async () => {
      const full = openSync('/dev/full', 'w')
      const run = shoal([...startArgs()], full)
      closeSync(full)
      const [, admin] = await run.until('out', /^ready .*admin=(\S+)/m)
      expect((await fetch(`${admin!}/health/ready`)).status).toBe(200)
      await stop(run)
    },
    TIMEOUT_MS,
  )

  it(
    'on a closed pipe does not kill the node, on standard output neither',
    async () => {
      const admin = await freeAddress()
      const run = start('--admin', admin)
      run.child.stdout!.destroy()
      run.child.stderr!.destroy()
      const ready = async (): Promise<boolean> =>
        fetch(`http://${admin}/health/ready`).then(
          ({ status }) => status === 200,
          () => false,
        )
      while (!(await ready())) {
        expect(run.child.exitCode).toBeNull()
        await sleep(50)
      }
      // By now it has tried to log that it is ready.
      await sleep(200)
      expect(await ready()).toBe(true)
      await stop(run)
    },
    TIMEOUT_MS,
  )
})

describe('an assertion that fails', () => {
  it(
    'stops the node with one line and exit code 70, even if a catch hides the error',
    async () => {
      const assertions = join(import.meta.dirname, '../../protocol/assert.ts')
      const fault = join(parent, 'fault.cjs')
      writeFileSync(
        fault,
        `const { assert } = require('${assertions}')
        process.once('SIGUSR2', function faultOfTest() { try { assert(false, 'it rises') } catch {} })`,
      )
      const run = shoal(startArgs(), 'pipe', ['--require', fault])
      await run.until('out', /^ready /m)
      run.child.kill('SIGUSR2')
      expect(await run.exit).toBe(70)
      const lines = run.errors.split('\n').filter((line) => line.startsWith('shoal: assertion'))
      expect(lines).toEqual([
        expect.stringMatching(
          /failed in process\.faultOfTest \(.*fault\.cjs:2\): it rises\. This is a bug in Shoal; the node stops/,
        ),
      ])
    },
    TIMEOUT_MS,
  )
})

async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freeBasePort(1)}`
}
