import { expect, it } from 'vitest'
import { Child, isAlive, runCommand, untilTrue } from './process.ts'

it('shows what a failed command wrote', async () => {
  const failing = runCommand('sh', ['-c', 'echo to stdout; echo to stderr >&2; exit 3'])
  await expect(failing).rejects.toThrow(/exit code 3\nto stdout\n\nto stderr/)
  expect((await runCommand('sh', ['-c', 'exit 3'], { okCodes: [3] })).code).toBe(3)
})

it('kills a command at its deadline, with what it started', async () => {
  await expect(runCommand('sh', ['-c', 'sleep 600 & wait'], { timeoutMs: 100 })).rejects.toThrow(
    'killed',
  )
})

it('waits for a line, and says why it will not come', async () => {
  const child = new Child('sh', ['-c', 'echo ready; sleep 600'])
  expect(await child.waitFor('ready', (o) => o.includes('ready') || undefined, 10_000)).toBe(true)
  expect(await child.stop()).toBe(128)
  expect(isAlive(child.pid)).toBe(false)
  const short = new Child('sh', ['-c', 'echo oops'])
  await expect(short.waitFor('ready', () => undefined, 10_000)).rejects.toThrow(
    /ended with 0.*oops/s,
  )
})

it('passes on what the last probe said', async () => {
  const never = untilTrue('the end', () => Promise.reject(new Error('not yet')), 30, 5)
  await expect(never).rejects.toThrow('the end: not within 30 ms: not yet')
})
