import { describe, expect, it } from 'vitest'
import { randomOf } from '../../protocol/iam/testing/cases.ts'
import { SUBJECTS } from './all.ts'
import { runParsers } from './run.ts'
import { runRequests } from './stored.ts'
import { isParserRefusal, promise, type Subject } from './subject.ts'
import { S3Error } from '../../gateway/http/errors.ts'

describe('every parser of what callers send', () => {
  it('takes what is valid, refuses what is not, and nothing else', () => {
    const { tallies, fault } = runParsers(SUBJECTS, {
      inputs: 12_000,
      seed: 7,
      inputMsMax: Infinity,
    })
    expect(fault).toBeUndefined()
    for (const { name, inputs, taken, damagedTaken } of tallies) {
      // Most inputs get past the first check, and many damaged ones are still good.
      expect(taken, name).toBeGreaterThan(inputs * 0.3)
      expect(damagedTaken, name).toBeGreaterThan(0)
    }
  })

  it('stores nothing of a request that is refused', async () => {
    const { statuses, fault } = await runRequests(SUBJECTS, { inputs: 400, seed: 5 })
    expect(fault).toBeUndefined()
    const taken = (statuses.get(200) ?? 0) + (statuses.get(204) ?? 0)
    expect(taken).toBeGreaterThan(20)
    expect(statuses.get(400)).toBeGreaterThan(50)
  })

  it('is given the same inputs by the same seed', () => {
    const notes = (seed: number): string[] => {
      const seen: string[] = []
      const noting = SUBJECTS.map((subject): Subject => ({
        ...subject,
        take(text, random) {
          seen.push(text)
          return subject.take(text, random)
        },
      }))
      runParsers(noting, { inputs: 600, seed })
      return seen
    }
    expect(notes(3)).toEqual(notes(3))
    expect(notes(3)).not.toEqual(notes(4))
  })
})

describe('the generators notice a parser that', () => {
  const of = (name: string): Subject => SUBJECTS.find((subject) => subject.name === name) as Subject
  const faultOf = (subject: Subject): string | undefined =>
    runParsers([subject], { inputs: 60_000, seed: 1 }).fault?.why

  const tokens = of('list tokens')
  it.each<[string, Subject, RegExp]>([
    [
      'crashes on a rare character',
      {
        ...of('copy sources'),
        take: (text) => decodeURIComponent(text.slice(text.indexOf('/'))) !== '',
      },
      /URIError|malformed/i,
    ],
    [
      'searches back',
      {
        ...of('ranges'),
        // As Range was once read: white space on both sides of digits that may be missing.
        take: (text) => /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.test(text) || text !== '',
      },
      /processor time/,
    ],
    [
      'refuses a valid input',
      { ...tokens, take: (text, random) => text.length < 20 && tokens.take(text, random) },
      /a valid input was refused/,
    ],
    [
      'takes two texts for one',
      {
        ...tokens,
        take(text) {
          const opened = Buffer.from(text, 'base64url').toString()
          promise(Buffer.from(opened).toString('base64url') === text, 'two tokens of one place')
          return true
        },
      },
      /two tokens/,
    ],
    [
      'answers with an error of its own making',
      {
        ...of('dates'),
        take(text) {
          if (text.includes('\0')) throw new S3Error('InternalError')
          return true
        },
      },
      /InternalError|internal error/,
    ],
  ])('%s', (_, subject, why) => {
    expect(faultOf(subject)).toMatch(why)
  })

  it('but not one that refuses by its documented errors', () => {
    expect(isParserRefusal(new S3Error('MalformedXML'))).toBe(true)
    expect(isParserRefusal(new S3Error('NotImplemented'))).toBe(true)
    expect(isParserRefusal(new S3Error('SlowDown'))).toBe(false)
    expect(isParserRefusal(new RangeError())).toBe(false)
    expect(randomOf(1).below(10)).toBe(randomOf(1).below(10))
  })
})
