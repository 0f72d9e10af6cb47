/** A node that has lost records remembers that through restarts and rebuilds in any order (D2, D8). */

import { describe, expect, it } from 'vitest'
import {
  damagedThen,
  lostMark,
  oneOfTwo,
  onlyHere,
  repairedThenRebuilt,
  restoredImage,
} from '../mutants/forgetting-scenarios.ts'

const PLAY = { seed: 1, adapt: undefined }

describe('a node that lost records whose keys are unknown (D8)', () => {
  for (const between of ['restart', 'restarts', 'rebuild', 'rebuild then restart'] as const) {
    it(`does not vote before it was compared: ${between}`, async () => {
      expect(await damagedThen(between)(PLAY)).toEqual([])
    })
  }
})

describe('an old copy of a data directory that is put back (D2)', () => {
  for (const running of [false, true]) {
    it(`is noticed: copied while the node was ${running ? 'running' : 'stopped'}`, async () => {
      expect(await restoredImage(running)(PLAY)).toEqual([])
    })
  }
})

describe('what a node that has forgotten does until it votes again (D8)', () => {
  it('gives up what was deleted and collected, and is in its old copy only', async () => {
    expect(await onlyHere(PLAY)).toEqual([])
  })

  it('learns from the only other replica', async () => {
    expect(await oneOfTwo(PLAY)).toEqual([])
  })

  it('need not be done again for the same damage, whatever is rebuilt', async () => {
    expect(await repairedThenRebuilt(PLAY)).toEqual([])
  })

  it('raises a mark that is damaged', async () => {
    expect(await lostMark(PLAY)).toEqual([])
  })
})
