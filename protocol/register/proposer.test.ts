/**
 * Proposers against real acceptors. Each test is named after the rule it shows; `vitest -u` rewrites the
 * transcripts.
 */

import { describe, expect, test } from 'vitest'
import type { BucketId, OperationId, ProposerId } from '../ids.ts'
import { identityProposer } from './identity-proposer.ts'
import { FAILED_ROUNDS_MAX, RegisterProposer } from './proposer.ts'
import { type Change } from './proposer-options.ts'
import { RegisterLab, keeping, labNodes, writing } from './testing/register-lab.ts'

describe('a proposer and its ballots', () => {
  test('two rounds, and no waiting for the third replica (L3)', () => {
    const lab = new RegisterLab()
    const proposer = lab.propose('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> accepted
      b accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
    expect(proposer.rounds).toBe(2)
  })

  test('without `promisesNext` an accept promises its own ballot, and there is no prior', () => {
    const lab = new RegisterLab()
    lab.propose('p', { promisesNext: false })
    lab.deliver('p', 'abc')
    lab.deliver('p', 'abc')
    expect(lab.outcomes.get('p')).toMatchObject({ type: 'written' })
    expect(lab.outcomes.get('p')).not.toHaveProperty('prior')
  })

  test('P1: after an accept without a quorum, a higher ballot is prepared', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.deliver('p', 'a')
    lab.fail('p', 'bc')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      a accept 1p op-p -> accepted
      b accept 1p op-p -> failed
      c accept 1p op-p -> failed
      p backs off 0
      a prepare 35p -> promised op-p at 1p
      b prepare 35p -> promised absent
      a accept 35p op-p -> accepted
      b accept 35p op-p -> accepted
      p => written at 35p, prior
      "
    `)
  })
})

describe('a proposer with a prior', () => {
  test('P2: upon a prior, one round; another epoch has to prepare', () => {
    const lab = new RegisterLab()
    const { prior } = lab.written('p')
    const next = { operation: 'next' as OperationId, prior }
    const proposer = lab.propose('p', next)
    lab.deliver('p', 'bc')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      b accept 2p next -> accepted
      c accept 2p next -> accepted
      p => written at 2p, prior
      "
    `)
    expect(proposer.rounds).toBe(1)

    const elsewhere = new RegisterProposer({
      ...lab.base('p'),
      change: writing(),
      ...next,
      epoch: 2,
    })
    expect(elsewhere.start().send[0]?.request.type).toBe('prepare')
  })

  test('P2: no prior after a conflict', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'abc')
    lab.propose('q')
    lab.deliver('q', 'a')
    lab.deliver('p', 'abc')
    expect(lab.outcomes.get('p')).toMatchObject({ type: 'written' })
    expect(lab.outcomes.get('p')).not.toHaveProperty('prior')
  })

  test('P2: a failed condition upon a prior still asks a quorum (P3)', () => {
    const lab = new RegisterLab()
    const { prior } = lab.written('p')
    lab.propose('p', { operation: 'next' as OperationId, prior, change: keeping })
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 3p -> promised op-p at 1p
      b prepare 3p -> promised op-p at 1p
      p => kept op-p at 1p
      "
    `)
  })
})

describe('a condition that fails', () => {
  test('P3: a failed condition upon a state that is not known to be chosen writes it again', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.propose('q', { change: keeping })
    lab.deliver('q', 'ac')
    lab.deliver('q', 'ac')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> lost
      a prepare 3q -> promised op-p at 1p
      c prepare 3q -> promised absent
      a accept 3q op-p -> accepted
      c accept 3q op-p -> accepted
      q => kept op-p at 3q
      "
    `)
  })

  test('P3: nothing is written when a quorum promised upon the same state, or upon absence', () => {
    const lab = new RegisterLab()
    lab.propose('p', { change: keeping })
    lab.deliver('p', 'ab')
    lab.written('q')
    lab.propose('r', { change: keeping })
    lab.deliver('r', 'bc')
    expect(lab.outcomes.get('p')).toEqual({ type: 'kept', ballot: expect.anything() as unknown })
    expect(lab.outcomes.get('r')).toMatchObject({
      type: 'kept',
      current: { value: { operation: 'op-q' } },
    })
  })
})

describe('a proposer that meets others, or no replica', () => {
  test('P6: a counter left behind moves past what was seen at once, then backs off', () => {
    const lab = new RegisterLab()
    lab.states.set('a', { promised: { counter: 40, proposer: 'z' as ProposerId } })
    lab.states.set('b', { promised: { counter: 50, proposer: 'z' as ProposerId } })
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.states.set('a', { promised: { counter: 60, proposer: 'z' as ProposerId } })
    lab.states.set('b', { promised: { counter: 60, proposer: 'z' as ProposerId } })
    lab.fail('p', 'c')
    lab.deliver('p', 'ab')
    lab.backoffOver('p')
    lab.deliver('p', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> conflict 40z
      b prepare 1p -> conflict 50z
      c prepare 1p -> failed
      a prepare 51p -> conflict 60z
      b prepare 51p -> conflict 60z
      p backs off 0
      a prepare 93p -> promised absent
      b prepare 93p -> promised absent
      "
    `)
  })

  test('without replicas: unavailable; with an accept on its way: unknown', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    for (let round = 1; round <= FAILED_ROUNDS_MAX; round++) {
      lab.fail('p', 'abc')
      lab.backoffOver('p')
    }
    expect(lab.outcomes.get('p')).toEqual({ type: 'unavailable' })

    const proposer = lab.propose('q')
    lab.deliver('q', 'abc')
    expect(proposer.giveUp()).toEqual({ type: 'unknown' })
    expect(proposer.onBackoffOver()).toEqual({ send: [] })
  })
})

describe('a proposer that is asked for blocks or fenced', () => {
  test('A5: an acceptor that needs the block is sent the same accept again', () => {
    const lab = new RegisterLab()
    lab.propose('p', { change: writing(1, ['block']) })
    lab.deliver('p', 'ab')
    lab.env.holdsBlock = () => false
    lab.deliver('p', 'a')
    lab.env.holdsBlock = () => true
    lab.deliver('p', 'ba')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      a accept 1p op-p -> need-blocks
      p brings block to a
      b accept 1p op-p -> accepted
      a accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
  })

  test('L4, T8: a fenced proposer hands its attempt on; another epoch trusts no absence', () => {
    const lab = new RegisterLab()
    lab.propose('p')
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.env.epoch = 2
    lab.deliver('p', 'b')
    const fenced = lab.outcomes.get('p')
    expect(fenced).toMatchObject({ type: 'stale-epoch', epoch: 2, attempt: { epoch: 1 } })
    if (fenced?.type !== 'stale-epoch' || !('attempt' in fenced)) return

    lab.states.clear()
    lab.propose('p', { epoch: 2, attempt: fenced.attempt })
    lab.deliver('p', 'ab')
    expect(lab.outcomes.get('p')).toEqual({ type: 'unknown' })
  })

  test('T8: a lower generation than an acceptor has seen ends it', () => {
    const lab = new RegisterLab()
    lab.env.minimumGeneration = 5
    lab.propose('p', { fence: { bucket: 'bucket' as BucketId, generation: 4 } })
    lab.deliver('p', 'a')
    expect(lab.outcomes.get('p')).toEqual({ type: 'stale-fence', generation: 5 })
  })
})

describe('blocks and majorities', () => {
  test('A5: a change is told whether what it replaces is on a majority', () => {
    const told: [string | undefined, boolean][] = []
    const change: Change = (current, chosen, clockMs) => {
      told.push([current?.operation, chosen])
      return writing()(current, chosen, clockMs)
    }
    const lab = new RegisterLab()
    lab.propose('p', { change })
    lab.deliver('p', 'ab')
    lab.arriveOnly('p', 'a')
    lab.propose('q', { change })
    lab.deliver('q', 'ab')
    lab.deliver('q', 'ab')
    lab.propose('r', { change })
    lab.deliver('r', 'ab')
    expect(told).toEqual([
      [undefined, true],
      ['op-p', false],
      ['op-q', true],
    ])
  })

  test('L3: in JOINT, a majority of both sets promises and accepts', () => {
    const lab = new RegisterLab()
    const sets = [labNodes('abc'), labNodes('ade')]
    lab.propose('p', { sets })
    lab.deliver('p', 'abc')
    expect(lab.log.at(-1)).toContain('c prepare')
    lab.deliver('p', 'e')
    lab.deliver('p', 'bce')
    expect(lab.outcomes.size).toBe(0)
    lab.deliver('p', 'a')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 1p -> promised absent
      b prepare 1p -> promised absent
      c prepare 1p -> promised absent
      e prepare 1p -> promised absent
      b accept 1p op-p -> accepted
      c accept 1p op-p -> accepted
      e accept 1p op-p -> accepted
      a accept 1p op-p -> accepted
      p => written at 1p, prior
      "
    `)
  })
})

describe('an identity change', () => {
  test('R2, D3: an identity change keeps the operation id, and rewrites when told to', () => {
    const lab = new RegisterLab()
    lab.written('p')
    const { change: _, ...base } = { ...lab.base('q'), change: keeping }
    lab.begin('q', identityProposer(base))
    lab.deliver('q', 'ab')
    lab.begin('r', identityProposer({ ...lab.base('r'), rewrite: true, above: 100 }))
    lab.deliver('r', 'ab')
    lab.deliver('r', 'ab')
    expect(lab.transcript).toMatchInlineSnapshot(`
      "
      a prepare 3q -> promised op-p at 1p
      b prepare 3q -> promised op-p at 1p
      q => kept op-p at 1p
      a prepare 101r -> promised op-p at 1p
      b prepare 101r -> promised op-p at 1p
      a accept 101r op-p -> accepted
      b accept 101r op-p -> accepted
      r => kept op-p at 101r
      "
    `)
  })
})
