/** Which state a proposer goes on from when no replica has the blocks of the newest one (A5). */

import { expect, test } from 'vitest'
import type { BlockKey } from '../ids.ts'
import { identityProposer } from './identity-proposer.ts'
import { labNodes, RegisterLab, writing } from './testing/register-lab.ts'

/** No replica has these. */
const lost = new Set(['x', 'y'] as BlockKey[])

/** An identity change that knows of the lost blocks. */
function identity(lab: RegisterLab): void {
  lab.begin('r', identityProposer({ ...lab.base('r'), lost }))
}

/** Writes a state that names the block and reaches these alone. */
function strayWrite(lab: RegisterLab, name: string, block: string, nodes: string): void {
  lab.propose(name, { change: writing(1, [block]) })
  lab.deliver(name, 'abc')
  for (const node of nodes) lab.arriveOnly(name, node)
}

test('A5: a state that names a lost block is passed over when all have promised and it was not chosen', () => {
  const lab = new RegisterLab()
  lab.written('p')
  strayWrite(lab, 'q', 'x', 'a')
  identity(lab)
  lab.deliver('r', 'ab')
  expect(lab.log.at(-1)).toContain('b prepare')
  lab.deliver('r', 'c')
  lab.deliver('r', 'ab')
  expect(lab.outcomes.get('r')).toMatchObject({
    type: 'kept',
    current: { value: { operation: 'op-p' } },
  })
  // The one that had it has given it up.
  expect(lab.states.get('a')?.accepted?.value.operation).toBe('op-p')
})

test('A5: a state that names a lost block is followed without the block when it may have been chosen before a later one', () => {
  const lab = new RegisterLab()
  lab.written('p')
  strayWrite(lab, 'q', 'x', 'ab')
  lab.propose('s', { change: writing(2, ['y']), lost: undefined })
  lab.deliver('s', 'ac')
  lab.arriveOnly('s', 'a')
  identity(lab)
  lab.deliver('r', 'abc')
  lab.deliver('r', 'ab')
  expect(lab.outcomes.get('r')).toMatchObject({
    type: 'kept',
    current: { value: { operation: 'op-q', blocks: [] } },
  })
})

test('A5: a state that names a lost block ends the round when a replica does not promise', () => {
  for (const order of ['late', 'early']) {
    const lab = new RegisterLab()
    lab.written('p')
    strayWrite(lab, 'q', 'x', 'a')
    identity(lab)
    if (order === 'early') lab.fail('r', 'c')
    lab.deliver('r', 'ab')
    if (order === 'late') lab.fail('r', 'c')
    expect(lab.log.at(-1)).toBe('r backs off 0')
  }
})

test('A5: a state that names a lost block is followed without the block when there is nothing else, and where a replica was left out', () => {
  const lab = new RegisterLab()
  strayWrite(lab, 'q', 'x', 'a')
  identity(lab)
  lab.deliver('r', 'abc')
  lab.deliver('r', 'ab')
  expect(lab.outcomes.get('r')).toMatchObject({ current: { value: { operation: 'op-q' } } })
  const other = new RegisterLab()
  other.written('p')
  strayWrite(other, 'q', 'x', 'a')
  const sets = [labNodes('ab')]
  other.begin('r', identityProposer({ ...other.base('r'), lost, sets, isPartial: true }))
  other.deliver('r', 'ab')
  other.deliver('r', 'ab')
  expect(other.outcomes.get('r')).toMatchObject({ current: { value: { operation: 'op-q' } } })
})

test('A5: a state that names a lost block is the proposer’s own: its blocks are at hand', () => {
  const lab = new RegisterLab()
  lab.written('p')
  lab.propose('q', { change: writing(1, ['x']), lost })
  lab.deliver('q', 'abc')
  lab.deliver('q', 'a')
  lab.fail('q', 'bc')
  lab.backoffOver('q')
  lab.deliver('q', 'ab')
  expect(lab.log.at(-1)).toContain('b prepare')
  lab.deliver('q', 'ab')
  expect(lab.outcomes.get('q')).toMatchObject({ type: 'written', value: { operation: 'op-q' } })
})
