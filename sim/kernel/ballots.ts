/** Ballots as numbers that order alike, so that the checker can keep them in arrays and maps. */

import type { ProposerId } from '../../protocol/ids.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'

const PER_CHARACTER = 64

/** Node and boot, each below 63. Two characters order as the pair does. */
export function simProposer(node: number, boot: number): ProposerId {
  return String.fromCharCode(node + 1, boot + 1) as ProposerId
}

/** 0 for the zero ballot. */
export function ballotNumber({ counter, proposer }: Ballot): number {
  const who = proposer === '' ? 0 : proposer.charCodeAt(0) * PER_CHARACTER + proposer.charCodeAt(1)
  return counter * PER_CHARACTER * PER_CHARACTER + who
}

export function showBallot(number: number): string {
  const who = number % (PER_CHARACTER * PER_CHARACTER)
  const node = Math.floor(who / PER_CHARACTER) - 1
  const boot = (who % PER_CHARACTER) - 1
  const counter = Math.floor(number / (PER_CHARACTER * PER_CHARACTER))
  return who === 0 ? `${counter}` : `${counter}.n${node}b${boot}`
}
