import { expect, test } from 'vitest'
import { nodeId } from '../../protocol/ids.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { PullNotes } from './pull-notes.ts'

test('a thousand pulls are logged in a few lines, and none is left out', () => {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  const lines: Record<string, unknown>[] = []
  const info = (fields: Record<string, unknown>): void => void lines.push(fields)
  const logger: Logger = { debug() {}, info, warn() {}, error() {} }
  const notes = new PullNotes(clock, logger)
  const peers = ['NodeNodeA', 'NodeNodeB'].map(nodeId)
  for (let i = 0; i < 1_000; i++) {
    nowMs += 100
    notes.note(peers[i % 2]!, 3, 1_000 - i)
  }
  notes.note(peers[0]!, 0, 0)
  expect(lines.length).toBeLessThan(6)
  expect(lines.reduce((sum, { pulled }) => sum + (pulled as number), 0)).toBe(3_000)
  expect(lines.at(-1)).toMatchObject({ peers: 2, pending: 0 })
  notes.note(peers[0]!, 0, 0)
  expect(lines.length).toBeLessThan(6)
})
