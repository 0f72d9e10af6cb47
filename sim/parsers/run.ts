/** Gives each subject its share of inputs, from one seed, and says what became of them. */

import { randomOf, type SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { damaged, noise, pumped, rearranged } from './damage.ts'
import { isParserRefusal, type Subject } from './subject.ts'

export interface ParserTally {
  readonly name: string
  inputs: number
  taken: number
  /** Damaged inputs, and those of them that were taken. */
  damaged: number
  damagedTaken: number
  /** How often each error was given. */
  readonly refusals: Map<string, number>
  /** Processor time of the slowest input. */
  slowestMs: number
}

export interface ParserFault {
  readonly subject: string
  readonly kind: Kind
  readonly text: string
  readonly why: string
}

type Kind = 'valid' | 'rearranged' | 'damaged' | 'noise' | 'pumped'

/** Far more than any input needs that is parsed in steps that grow with its length. */
const INPUT_MS_MAX = 100
/** One input of so many is as long as inputs can be: more of those that cost less. */
const PUMPED_EVERY = 500
const SHORT_PUMPED_EVERY = 50
const SHORT_SIZE = 16 * 1024

export interface ParserRunOptions {
  readonly inputs: number
  readonly seed: number
  /** Processor time that the longest inputs may take. */
  readonly inputMsMax?: number
  /** Called before each input, so that a watcher can say at which one a parser hangs. */
  readonly begin?: (subject: string, input: number) => void
}

export function runParsers(
  subjects: readonly Subject[],
  { inputs, seed, inputMsMax = INPUT_MS_MAX, begin = () => {} }: ParserRunOptions,
): { readonly tallies: readonly ParserTally[]; readonly fault: ParserFault | undefined } {
  const shares = subjects.reduce((sum, { share }) => sum + share, 0)
  const tallies: ParserTally[] = []
  for (const [index, subject] of subjects.entries()) {
    const count = Math.ceil((inputs * subject.share) / shares)
    const random = randomOf(seed * 1_000_003 + index)
    const tally = newTally(subject.name)
    tallies.push(tally)
    for (let input = 0; input < count; input++) {
      begin(subject.name, input)
      const kind = kindOf(input, subject, random)
      const text = drawn(kind, subject, random)
      const why = given(subject, kind, text, random, tally) ?? tooSlow(tally, inputMsMax)
      if (why !== undefined) return { tallies, fault: { subject: subject.name, kind, text, why } }
    }
  }
  return { tallies, fault: undefined }
}

function newTally(name: string): ParserTally {
  return {
    name,
    inputs: 0,
    taken: 0,
    damaged: 0,
    damagedTaken: 0,
    refusals: new Map(),
    slowestMs: 0,
  }
}

function kindOf(input: number, { sizeMax }: Subject, random: SmallRandom): Kind {
  const every = sizeMax <= SHORT_SIZE ? SHORT_PUMPED_EVERY : PUMPED_EVERY
  if (input % every === every - 1) return 'pumped'
  const roll = random.below(100)
  if (roll < 35) return 'valid'
  if (roll < 60) return 'rearranged'
  return roll < 92 ? 'damaged' : 'noise'
}

function drawn(kind: Kind, subject: Subject, random: SmallRandom): string {
  const valid = (): string => subject.valid(random)
  switch (kind) {
    case 'valid':
      return valid()
    case 'rearranged':
      return rearranged(valid(), valid, subject.pieces, random)
    case 'damaged':
      return damaged(valid(), valid, random)
    case 'noise':
      return noise(random)
    case 'pumped':
      return pumped(valid(), subject.sizeMax, random)
  }
}

/** What went wrong; undefined when nothing did. */
function given(
  subject: Subject,
  kind: Kind,
  text: string,
  random: SmallRandom,
  tally: ParserTally,
): string | undefined {
  tally.inputs++
  const isDamaged = kind === 'damaged' || kind === 'rearranged'
  if (isDamaged) tally.damaged++
  const beganMs = kind === 'pumped' ? processorMs() : 0
  try {
    if (subject.take(text, random)) {
      tally.taken++
      if (isDamaged) tally.damagedTaken++
    } else if (kind === 'valid') return 'a valid input was refused'
    else count(tally, 'nothing')
  } catch (error) {
    if (!isParserRefusal(error))
      return error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (kind === 'valid') return `a valid input was refused: ${String(error)}`
    count(tally, (error as { code?: string }).code ?? (error as Error).name)
  }
  if (kind !== 'pumped') return undefined
  tally.slowestMs = Math.max(tally.slowestMs, processorMs() - beganMs)
  return undefined
}

function tooSlow({ slowestMs }: ParserTally, inputMsMax: number): string | undefined {
  return slowestMs > inputMsMax ? `took ${slowestMs.toFixed(0)} ms of processor time` : undefined
}

function count({ refusals }: ParserTally, code: string): void {
  refusals.set(code, (refusals.get(code) ?? 0) + 1)
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
