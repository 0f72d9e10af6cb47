/**
 * A proposer whose accept may have reached an acceptor (P4). Each test is named after the rule it shows; `vitest -u`
 * rewrites the transcripts.
 */

import { describe, expect, test } from 'vitest'
import type { ProposerId } from '../ids.ts'
import { EARLIER_MAX } from './lineage.ts'
import type { Change } from './proposer-options.ts'
import { RegisterLab } from './testing/register-lab.ts'

describe('an operation that was proposed upon two states', () => {
  test('P4: an operation that was proposed upon two states is no one state to build upon again', () => {
    const lab = new RegisterLab()
    const append =
      (letter: string): Change =>
      (current) => ({
        write: {
          tombstone: false,
          body: new Uint8Array([...(current?.body ?? []), letter.charCodeAt(0)]),
          blocks: [],
        },
      })
    const propose = (name: string): unknown => lab.propose(name, { change: append(name) })
    const text = (node: string): string =>
      String.fromCharCode(...(lab.states.get(node)?.accepted?.value.body ?? []))
    propose('z')
    lab.deliver('z', 'abc')
    lab.deliver('z', 'abc')
    // q upon z, on one replica only.
    propose('q')
    lab.deliver('q', 'abc')
    lab.deliver('q', 'a')
    lab.fail('q', 'bc')
    // r upon that q, nowhere.
    propose('r')
    lab.deliver('r', 'ab')
    lab.fail('r', 'abc')
    // s upon z, and q upon s: chosen.
    propose('s')
    lab.deliver('s', 'bc')
    lab.deliver('s', 'bc')
    lab.backoffOver('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    expect(text('b')).toBe('zsq')
    lab.backoffOver('r')
    lab.deliver('r', 'bc')
    lab.deliver('r', 'bc')
    expect(lab.outcomes.get('r')).toMatchObject({ type: 'written' })
    expect(text('b')).toBe('zsqr')
  })
})

describe('an attempt that is met again', () => {
  test('P4: its own value found again: written again, and done', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> lost
      b accept 1p op-p -> failed
      p backs off 0
      a prepare 35p -> promised op-p at 1p
      b prepare 35p -> promised absent
      a accept 35p op-p -> accepted
      b accept 35p op-p -> accepted
      p => written at 35p, prior
      "
    `)
  })

  test('P4: the state it meant to replace is still there: applied again', () => {
    const lab = new RegisterLab()
    lab.written('q')
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({ type: 'written', value: { operation: 'op-p' } })
  })

  test('P4: overtaken twice, it has not happened as long as the lineage reaches back to what it replaces', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.propose('r')
    lab.deliver('r', 'bc')
    lab.deliver('r', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p', replaced: 'op-r', earlier: ['op-q'] },
    })
  })
})

describe('an attempt that was overtaken', () => {
  test('P4: accepted, overtaken before its proposer learnt it: written, once what came after is chosen', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.arriveOnly('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toBeUndefined()
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p' },
      overtakenBy: { operation: 'op-q', replaced: 'op-p' },
    })
  })

  test('P4: overtaken beyond what a lineage holds: unknown, never a failed condition', () => {
    const lab = new RegisterLab()
    lab.propose('first')
    lab.deliver('first', 'bc')
    lab.deliver('first', 'bc')
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    for (let i = 0; i < EARLIER_MAX + 2; i++) {
      lab.propose(`q${i}`, { isRecent: () => true })
      lab.deliver(`q${i}`, 'bc')
      lab.deliver(`q${i}`, 'bc')
    }
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })

  test('P4: operations whose proposers have given up are left out of a lineage, but the first', () => {
    const lab = new RegisterLab()
    for (let i = 0; i < 6; i++) {
      lab.propose(`q${i}`, { isRecent: (operation) => operation > 'op-q2' })
      lab.deliver(`q${i}`, 'bc')
      lab.deliver(`q${i}`, 'bc')
    }
    expect(lab.outcomes.get('q5')).toMatchObject({
      value: { replaced: 'op-q4', earlier: ['op-q3', 'op-q2'] },
    })
  })
})

describe('an attempt that has not happened', () => {
  test('P4: a state that replaced the very one the attempt meant to replace: it has not happened', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    lab.propose('q')
    lab.deliver('q', 'bc')
    lab.deliver('q', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toBeUndefined()
    lab.deliver('p', 'bc')
    expect(lab.outcomes.get('p')).toMatchObject({
      type: 'written',
      value: { operation: 'op-p', replaced: 'op-q' },
    })
  })

  test('P4: a deleted and collected value is not written a second time', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.fail('p', 'b')
    // Chosen through c, deleted and collected, all behind its back: absent as before, but for the floor.
    lab.states.clear()
    lab.env.floor = { counter: 50, proposer: 'z' as ProposerId }
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })
})

describe('an attempt that every replica refused', () => {
  test('P4: refused for good by every replica, it has not happened: the change starts afresh', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.propose('q')
    lab.deliver('q', 'abc')
    lab.deliver('p', 'abc')
    lab.deliver('q', 'abc')
    lab.backoffOver('p')
    lab.deliver('p', 'abc')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      a prepare 3q -> promised absent
      b prepare 3q -> promised absent
      c prepare 3q -> promised absent
      a accept 1p op-p -> conflict 3q never
      b accept 1p op-p -> conflict 3q never
      p backs off 0
      c accept 1p op-p -> conflict 3q never
      a accept 3q op-q -> accepted
      b accept 3q op-q -> accepted
      q => written at 3q, prior
      c accept 3q op-q -> accepted
      a prepare 36p -> promised op-q at 3q
      b prepare 36p -> promised op-q at 3q
      c prepare 36p -> promised op-q at 3q
      a accept 36p op-p -> accepted
      b accept 36p op-p -> accepted
      p => written at 36p, prior
      "
    `)
  })

  test('P4: a request that never left counts as refused, unless it was sent twice', () => {
    const lab = new RegisterLab()
    const proposer = lab.propose('p')
    lab.deliver('p', 'abc')
    lab.fail('p', 'abc', false)
    expect(proposer.giveUp()).toEqual({ type: 'unavailable' })

    const other = lab.propose('q')
    lab.deliver('q', 'abc')
    lab.env.holdsBlock = () => false
    lab.fail('q', 'abc')
    expect(other.giveUp()).toEqual({ type: 'unknown' })
  })
})
