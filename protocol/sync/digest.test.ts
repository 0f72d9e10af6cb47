import { array, assert, boolean, integer, property, record, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import type { BlockKey, ProposerId, RegisterKey } from '../ids.ts'
import type { Ballot } from '../register/ballot.ts'
import {
  blocksIn,
  combineDigests,
  EMPTY_DIGEST,
  registersIn,
  toggleBlock,
  toggleRegister,
} from './digest.ts'

function ballot(counter: number): Ballot {
  return { counter, proposer: 'p'.repeat(16) as ProposerId }
}

const registerKey = (n: number): RegisterKey => `r${n}` as RegisterKey
const blockKey = (n: number): BlockKey => `b${n}` as BlockKey

/** Whatever order things came in, the digest is that of what is there in the end. */
test('is the digest of the contents, not of the way there', () => {
  const steps = array(
    record({
      key: integer({ min: 0, max: 9 }),
      counter: integer({ min: 1, max: 2 ** 40 }),
      isBlock: boolean(),
    }),
    { maxLength: 40 },
  )
  assert(
    property(steps, (steps) => {
      let digest = EMPTY_DIGEST
      const ballots = new Map<number, Ballot>()
      const blocks = new Set<number>()
      for (const { key, counter, isBlock } of steps) {
        if (isBlock) {
          digest = toggleBlock(digest, blockKey(key), blocks.has(key) ? -1 : 1)
          if (!blocks.delete(key)) blocks.add(key)
        } else {
          digest = toggleRegister(digest, registerKey(key), ballots.get(key), ballot(counter))
          ballots.set(key, ballot(counter))
        }
      }
      let direct = EMPTY_DIGEST
      for (const key of [...blocks].reverse()) direct = toggleBlock(direct, blockKey(key), 1)
      for (const [key, each] of ballots) {
        direct = toggleRegister(direct, registerKey(key), undefined, each)
      }
      expect(digest).toEqual(direct)
      expect(registersIn(digest)).toBe(ballots.size)
      expect(blocksIn(digest)).toBe(blocks.size)
    }),
  )
})

test('tells apart keys, ballots, proposers, and registers from blocks', () => {
  const seen = new Set<string>()
  const add = (digest: Uint8Array): void => {
    const text = Buffer.from(digest).toString('hex')
    expect(seen.has(text)).toBe(false)
    seen.add(text)
  }
  for (let key = 0; key < 300; key++) {
    for (const counter of [1, 2, 256, 2 ** 32, 2 ** 32 + 1, 2 ** 40]) {
      add(toggleRegister(EMPTY_DIGEST, registerKey(key), undefined, ballot(counter)))
    }
    const other = { counter: 1, proposer: 'q'.repeat(16) as ProposerId }
    add(toggleRegister(EMPTY_DIGEST, registerKey(key), undefined, other))
    add(toggleBlock(EMPTY_DIGEST, blockKey(key), 1))
  }
})

test('two registers that swap their ballots differ from before', () => {
  assert(
    property(tuple(integer({ min: 1 }), integer({ min: 1 })), ([a, b]) => {
      if (a === b) return
      const of = (first: number, second: number): Uint8Array =>
        toggleRegister(
          toggleRegister(EMPTY_DIGEST, registerKey(1), undefined, ballot(first)),
          registerKey(2),
          undefined,
          ballot(second),
        )
      expect(of(a, b)).not.toEqual(of(b, a))
    }),
  )
})

test('the empty digest stays empty; a group depends on which partition holds what', () => {
  const one = toggleBlock(EMPTY_DIGEST, blockKey(1), 1)
  expect(EMPTY_DIGEST.every((byte) => byte === 0)).toBe(true)
  expect(combineDigests([])).toEqual(EMPTY_DIGEST)
  const a = combineDigests([{ partition: 1, digest: one }])
  expect(a).not.toEqual(combineDigests([{ partition: 2, digest: one }]))
  expect(a).toEqual(combineDigests([{ partition: 1, digest: one.slice() }]))
})
