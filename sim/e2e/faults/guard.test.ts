/** When a test ends, its processes are killed and its changes to the machine are undone, in reverse order. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isAlive } from '../../../bench/harness/process.ts'
import { Guard } from './guard.ts'

it('kills what is owned, then undoes everything in reverse', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-guard-'))
  const file = join(scratch, 'undone')
  const guard = new Guard()
  const owned = spawn('sleep', ['600'], { detached: true })
  const spared = spawn('sleep', ['600'], { detached: true })
  try {
    const over = new Promise((resolve) => owned.once('exit', (_code, signal) => resolve(signal)))
    for (const child of [owned, spared]) guard.tell({ own: child.pid ?? 0 })
    guard.tell({ disown: spared.pid ?? 0 })
    guard.tell({ undo: ['sh', '-c', `echo first >> ${file}`] })
    guard.tell({ undo: ['false'] })
    guard.tell({ undo: ['sh', '-c', `echo last >> ${file}`] })
    await guard.close()
    expect(await over).toBe('SIGKILL')
    expect(readFileSync(file, 'utf8')).toBe('last\nfirst\n')
    expect(isAlive(spared.pid ?? 0)).toBe(true)
  } finally {
    owned.kill('SIGKILL')
    spared.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  }
})
