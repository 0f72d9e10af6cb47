/**
 * The `shoal` command on files that can be made to hang: from one SIGUSR2 to the next every operation on an
 * open file of the process waits, and holds its thread meanwhile, as it does in the kernel when a disk
 * hangs: it opens a pipe without a writer.
 */

import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import '../../../node/cli/threads.ts'
import { runCommandLine } from '../../../node/cli/program.ts'

const pipe = join(tmpdir(), `shoal-hung-${process.pid}`)
let hung = false

async function unlessHung(): Promise<void> {
  if (!hung) return
  await (await open(pipe, 'r')).close()
}

const { open } = fs
const probe = await fs.open(import.meta.filename, 'r')
const prototype = Object.getPrototypeOf(probe) as Record<
  string,
  (...args: unknown[]) => Promise<unknown>
>
for (const name of ['read', 'write', 'writev', 'datasync', 'sync', 'stat', 'truncate']) {
  const real = prototype[name]
  if (real === undefined) throw new Error(`a file has no method ${name}`)
  const call = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
    await unlessHung()
    return real.apply(this, args)
  }
  Object.defineProperty(prototype, name, { value: call })
}
await probe.close()

process.on('SIGUSR2', () => {
  hung = !hung
  if (hung) {
    execFileSync('mkfifo', [pipe])
    return
  }
  // Lets all threads go on that wait in `open`.
  const writer = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  setTimeout(() => {
    closeSync(writer)
    execFileSync('rm', ['-f', pipe])
  }, 1_000)
})

process.exit(await runCommandLine(process.argv.slice(2), import.meta.filename))
