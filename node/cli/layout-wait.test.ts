import { describe, expect, it } from 'vitest'
import type { LayoutChange, LayoutTable } from '../../gateway/port/layout.ts'
import type { Clock } from '../env/ports.ts'
import { layoutAtRest, layoutGrowing, layoutMoving, layoutNode } from '../testing/layout-tables.ts'
import { isMade, waitForChange, waitForRest } from './layout-wait.ts'
import type { Terminal } from './terminal.ts'

const drain: LayoutChange = { kind: 'drain', node: 'b' }
const begun = { epoch: 8, state: 'PLANNED' as const, changes: [], node: '12D3KooWBBBBBBBB' }
const without = { ...layoutAtRest, nodes: [layoutNode('a')] }

/** The client gives each answer once, and the last one from then on. */
async function wait(
  answers: readonly (LayoutTable | Error)[],
  { json = false, isTty = false } = {},
): Promise<{ code: number; out: string[]; errors: string[]; drawn: number }> {
  const out: string[] = []
  const errors: string[] = []
  let drawn = 0
  let at = 0
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    error: (line) => void errors.push(line),
    draw: (lines) => void (drawn += lines.length),
    isTty,
    columns: 80,
  }
  const client = {
    layout: () => {
      const answer = answers[Math.min(at++, answers.length - 1)]!
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
    },
  }
  const code = await waitForChange(client, drain, begun, terminal, quickClock(), json)
  return { code, out, errors, drawn }
}

const steps = [
  { ...layoutGrowing, epoch: 8 },
  { ...layoutGrowing, epoch: 8 },
  { ...layoutGrowing, epoch: 9, state: 'JOINT' as const, underWay: 'JOINT: …' },
  { ...layoutMoving, epoch: 10 },
  { ...without, epoch: 11 },
]

/** Every wait ends at once, and by this clock has taken as long as it should. */
function quickClock(): Clock {
  let nowMs = 0
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, run) {
      setImmediate(() => {
        nowMs += delayMs
        run()
      })
      return () => {}
    },
  }
}

describe('waiting for a change', () => {
  it('ends when the blocks have moved, with a line for each epoch', async () => {
    const { code, out, errors } = await wait(steps)
    expect({ code, errors }).toEqual({ code: 0, errors: [] })
    expect(out).toEqual([
      'epoch 8: PLANNED: c joins; learners 63 % caught up',
      'epoch 9: JOINT: …',
      'epoch 10: STABLE: blocks move',
      'epoch 11: nothing is under way',
      'done: epoch 11',
    ])
  })

  it('draws on a terminal', async () => {
    const { out, drawn } = await wait(steps, { isTty: true })
    expect(out).toEqual(['done: epoch 11'])
    expect(drawn).toBeGreaterThan(20)
  })

  it('prints with --json the layout at the end and nothing else', async () => {
    const { out } = await wait(steps, { json: true })
    expect(out.map((line) => (JSON.parse(line) as LayoutTable).epoch)).toEqual([11])
  })

  it('ends with 1 when the change was given up', async () => {
    const { code, errors } = await wait([
      { ...layoutGrowing, epoch: 8 },
      { ...layoutAtRest, epoch: 9, cause: 'abandoned' },
    ])
    expect(code).toBe(1)
    expect(errors[0]).toMatch(
      /^shoal: the change was given up in epoch 9 \(abandoned\): the members/,
    )
  })

  it('survives a restart of the node, but fails when it does not come back', async () => {
    const { code } = await wait([steps[0]!, new Error('gone'), new Error('gone'), steps[4]!])
    expect(code).toBe(0)
    await expect(wait([new Error('gone')])).rejects.toThrow('gone')
  })

  it('ends when nothing is under way, without a change of its own', async () => {
    const out: string[] = []
    const terminal: Terminal = {
      out: (line) => void out.push(line),
      error() {},
      draw() {},
      isTty: false,
      columns: 80,
    }
    const answers = [...steps]
    const client = { layout: () => Promise.resolve(answers.shift()!) }
    expect(await waitForRest(client, terminal, quickClock(), false)).toEqual(steps.at(-1))
    expect(out).toHaveLength(4)
    expect(answers).toEqual([])
  })
})

describe('whether the members are as a change asked for', () => {
  it.each<[LayoutChange, Partial<LayoutTable>, boolean]>([
    [drain, {}, false],
    [drain, { nodes: [layoutNode('a'), layoutNode('b', { state: 'source' })] }, true],
    [{ kind: 'remove', node: 'b' }, { nodes: [layoutNode('a')] }, true],
    [{ kind: 'replace', node: 'b', by: 'c' }, { nodes: [layoutNode('a'), layoutNode('c')] }, true],
    [{ kind: 'replace', node: 'b', by: 'c' }, { nodes: [layoutNode('a')] }, false],
    [{ kind: 'set', node: 'b', zone: 'z1', capacityBytes: 2 ** 40 }, {}, true],
    [{ kind: 'set', node: 'b', name: 'b', zone: 'z2' }, {}, false],
    [{ kind: 'replication', replication: 3 }, {}, true],
    [{ kind: 'replication', replication: 2 }, {}, false],
  ])('%j in %j: %s', (change, changes, made) => {
    expect(
      isMade({ ...layoutAtRest, ...changes }, change, { ...begun, by: '12D3KooWCCCCCCCC' }),
    ).toBe(made)
  })
})
