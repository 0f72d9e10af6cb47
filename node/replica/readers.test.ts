import { beforeEach, describe, expect, it } from 'vitest'
import { dataId, nodeId, type NodeId } from '../../protocol/ids.ts'
import { SteppedClock } from '../env/testing/stepped-clock.ts'
import { Readers, type ReadersRound } from './readers.ts'

const READING = nodeId('ReadingNode')
const FREEING = nodeId('FreeingNode')
const SILENT = nodeId('SiNentNode')
const ID = dataId('d'.repeat(24))

let clock: SteppedClock
let sent: ReadersRound[]
/** What happens to the messages of the reading node. */
let deliver: (round: ReadersRound) => void
let known: Set<NodeId>
let reading: Readers
let freeing: Readers

function readersOf(self: NodeId, send: (round: ReadersRound) => Promise<void>): Readers {
  return new Readers({
    self,
    boot: () => 1,
    peers: {
      connected: () => true,
      readers: (to, round) => (to === SILENT ? new Promise(() => {}) : send(round)),
    },
    view: () => ({
      known: [...known].map((each) => ({ nodeId: each })) as never,
      isMember: () => true,
    }),
    clock,
  })
}

beforeEach(() => {
  clock = new SteppedClock()
  sent = []
  known = new Set([READING, FREEING])
  freeing = readersOf(FREEING, async () => {})
  deliver = (round) => freeing.learn(READING, round)
  reading = readersOf(READING, async (round) => {
    sent.push(round)
    deliver(round)
  })
})

describe('a read that lasts', () => {
  it('is announced, and the other node is told when it is over', async () => {
    const end = reading.begin([ID])
    await clock.pass(5_000)
    expect(freeing.isRead(ID)).toBe(true)
    end()
    await clock.pass(5_000)
    expect(freeing.isRead(ID)).toBe(false)
  })

  it('is over for the other node too when the message that says so was lost at first', async () => {
    const end = reading.begin([ID])
    await clock.pass(5_000)
    deliver = () => {
      throw new Error('TIMEOUT')
    }
    end()
    await clock.pass(10_000)
    expect(freeing.isRead(ID)).toBe(true)
    deliver = (round) => freeing.learn(READING, round)
    await clock.pass(5_000)
    expect(freeing.isRead(ID)).toBe(false)
  })

  it('is announced while another node is silent', async () => {
    known.add(SILENT)
    reading.begin([dataId('e'.repeat(24))])
    await clock.pass(5_000)
    reading.begin([ID])
    await clock.pass(5_000)
    expect(freeing.isRead(ID)).toBe(true)
  })

  it('costs no more messages once every node knows that it is over', async () => {
    const end = reading.begin([ID])
    await clock.pass(5_000)
    end()
    await clock.pass(5_000)
    const count = sent.length
    await clock.pass(60_000)
    expect(sent.length).toBe(count)
  })
})

it('a node that never was told of a reader is not asked again and again', async () => {
  deliver = () => {
    throw new Error('TIMEOUT')
  }
  reading.peerUp(FREEING)
  await clock.pass(60_000)
  expect(sent.length).toBeLessThanOrEqual(2)
})
