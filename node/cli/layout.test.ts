import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  LayoutChange,
  LayoutNode,
  LayoutPlan,
  LayoutTable,
} from '../../gateway/port/layout.ts'
import type { Clock } from '../env/ports.ts'
import { layoutLines, planLines, progressLines } from './layout-text.ts'
import { isMade, waitForChange, waitForRest } from './layout-wait.ts'
import { runCommandLine } from './program.ts'
import type { Terminal } from './terminal.ts'

const STILL = { pendingBytes: 0, doneBytes: 0, bytesPerSecond: 0 }

function node(name: string, changes: Partial<LayoutNode> = {}): LayoutNode {
  return {
    node: `12D3KooW${name.toUpperCase().repeat(8).slice(0, 8)}`,
    name,
    zone: 'z1',
    capacityBytes: 2 ** 40,
    addresses: [],
    state: 'member',
    up: true,
    self: false,
    partitions: 100,
    share: 0.5,
    usedBytes: 2 ** 30,
    freeBytes: 2 ** 39,
    move: STILL,
    ...changes,
  }
}

const table: LayoutTable = {
  cluster: 'c1',
  epoch: 7,
  state: 'STABLE',
  cause: 'synced',
  replication: 3,
  partitions: 100,
  sources: 0,
  changes: [],
  underWay: 'nothing is under way',
  move: STILL,
  nodes: [node('a', { self: true }), node('b', { up: false, usedBytes: undefined })],
}

const growing: LayoutTable = {
  ...table,
  state: 'PLANNED',
  nextReplication: 2,
  changes: ['c joins'],
  underWay: 'PLANNED: c joins; learners 63 % caught up',
  nodes: [
    node('a', { nextPartitions: 66, nextZone: 'z2' }),
    node('b', { nextPartitions: 66, nextCapacityBytes: 2 ** 41 }),
    node('c', {
      state: 'learner',
      partitions: 0,
      share: 0,
      nextPartitions: 68,
      learning: { total: 68, done: 43 },
    }),
  ],
}

const moving: LayoutTable = {
  ...table,
  sources: 1,
  underWay: 'STABLE: blocks move',
  move: { pendingBytes: 2 ** 30, doneBytes: 2 ** 30, bytesPerSecond: 2 ** 24, secondsLeft: 64 },
  nodes: [
    node('a', {
      move: { pendingBytes: 2 ** 30, doneBytes: 2 ** 30, bytesPerSecond: 2 ** 24, secondsLeft: 64 },
    }),
    node('b', { state: 'source', up: false, partitions: 0, share: 0, move: undefined }),
  ],
}

describe('the layout as a table', () => {
  it('at rest', () => {
    expect(layoutLines(table)).toEqual([
      'cluster c1  epoch 7 STABLE  replication 3',
      '',
      'NODE  ID        ZONE  CAPACITY   SHARE   USED  STATE         MOVES',
      'a *   AAAAAAAA  z1       1 TiB  50.0 %  1 GiB  member',
      'b     BBBBBBBB  z1       1 TiB  50.0 %      ?  member, away',
      '',
      'nothing is under way',
    ])
    expect(progressLines(table, 80)).toEqual([])
  })

  it('while a node learns: what is and what will be', () => {
    const lines = layoutLines(growing)
    expect(lines[0]).toBe('cluster c1  epoch 7 PLANNED  replication 3, then 2')
    expect(lines[3]).toMatch(/^a {5}AAAAAAAA {2}z1 → z2 .* 50\.0 % → 33\.0 % /)
    expect(lines[4]).toMatch(/ 1 TiB → 2 TiB /)
    expect(lines[5]).toMatch(/ 0\.0 % → 34\.0 % .* learner 63 %$/)
    expect(lines.at(-1)).toBe('PLANNED: c joins; learners 63 % caught up')
    expect(progressLines(growing, 80)).toEqual([
      expect.stringMatching(/^\[#+-+\] {2}63 % caught up$/),
    ])
  })

  it('while blocks move', () => {
    const lines = layoutLines(moving)
    expect(lines[3]).toMatch(/ member {8}1 GiB to come, 16 MiB\/s, 1m 4s left$/)
    expect(lines[4]).toMatch(/ source, away$/)
    expect(progressLines(moving, 100)[0]).toMatch(/ 50 % 1 GiB to come, 16 MiB\/s, 1m 4s left$/)
  })

  it('with those that do not vote on the next entry', () => {
    const abstains = 'this node lost its vote file'
    expect(layoutLines({ ...table, abstains }).slice(-2)).toEqual([table.underWay, abstains])
  })

  it('shows what others wrote without obeying it', () => {
    const bad = { ...table, nodes: [node('a', { name: 'x\u001B[2J', zone: '\u001B' })] }
    expect(layoutLines(bad).join('')).not.toContain('\u001B')
  })
})

const plan: LayoutPlan = {
  changes: ['b leaves'],
  partitions: 100,
  partitionsMoved: 40,
  movedBytes: 2 ** 31,
  leastBytes: 2 ** 30,
  ratio: 2,
  fits: true,
  faults: [],
  warnings: [],
  nodes: [
    {
      node: '12D3KooWAAAAAAAA',
      name: 'a',
      zone: 'z',
      change: 'stays',
      capacityBytes: 2 ** 40,
      usedBytes: 2 ** 30,
      usedBytesAfter: 2 ** 31,
      usedBytesMost: 3 * 2 ** 30,
      partitions: 100,
      partitionsAfter: 200,
      gained: 110,
      lost: 10,
    },
  ],
}

describe('a plan', () => {
  it('says what moves, how much, and whether it fits', () => {
    expect(planLines(plan)).toEqual([
      'b leaves',
      '40 of 100 partitions get other nodes, about 2 GiB move: 2.00 times the least possible (1 GiB)',
      '',
      'NODE  ID        ZONE  CAPACITY  PARTITIONS  GETS  GIVES           USED  AT MOST',
      'a     AAAAAAAA  z        1 TiB   100 → 200   110     10  1 GiB → 2 GiB    3 GiB  stays',
      '',
      'it fits',
    ])
    const refused = planLines({
      ...plan,
      ratio: undefined,
      fits: false,
      warnings: ['little is left'],
      faults: ['a is too small: add a node'],
    })
    expect(refused[1]).toMatch(/about 2 GiB move$/)
    expect(refused.slice(-2)).toEqual([
      'warning: little is left',
      'refused: a is too small: add a node',
    ])
  })
})

describe('waiting for a change', () => {
  const drain: LayoutChange = { kind: 'drain', node: 'b' }
  const begun = { epoch: 8, state: 'PLANNED' as const, changes: [], node: '12D3KooWBBBBBBBB' }
  const without = { ...table, nodes: [node('a')] }

  /** Each answer is given once, the last for ever. */
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
    { ...growing, epoch: 8 },
    { ...growing, epoch: 8 },
    { ...growing, epoch: 9, state: 'JOINT' as const, underWay: 'JOINT: …' },
    { ...moving, epoch: 10 },
    { ...without, epoch: 11 },
  ]

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

  it('with --json: the layout at the end and nothing else', async () => {
    const { out } = await wait(steps, { json: true })
    expect(out.map((line) => (JSON.parse(line) as LayoutTable).epoch)).toEqual([11])
  })

  it('ends with 1 when the change was given up', async () => {
    const { code, errors } = await wait([
      { ...growing, epoch: 8 },
      { ...table, epoch: 9, cause: 'abandoned' },
    ])
    expect(code).toBe(1)
    expect(errors[0]).toMatch(
      /^shoal: the change was given up in epoch 9 \(abandoned\): the members/,
    )
  })

  it('outlasts a restart of the node that is asked, but not its end', async () => {
    const { code } = await wait([steps[0]!, new Error('gone'), new Error('gone'), steps[4]!])
    expect(code).toBe(0)
    await expect(wait([new Error('gone')])).rejects.toThrow('gone')
  })

  it('of anybody: until nothing is under way', async () => {
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

  it.each<[LayoutChange, Partial<LayoutTable>, boolean]>([
    [drain, {}, false],
    [drain, { nodes: [node('a'), node('b', { state: 'source' })] }, true],
    [{ kind: 'remove', node: 'b' }, { nodes: [node('a')] }, true],
    [{ kind: 'replace', node: 'b', by: 'c' }, { nodes: [node('a'), node('c')] }, true],
    [{ kind: 'replace', node: 'b', by: 'c' }, { nodes: [node('a')] }, false],
    [{ kind: 'set', node: 'b', zone: 'z1', capacityBytes: 2 ** 40 }, {}, true],
    [{ kind: 'set', node: 'b', name: 'b', zone: 'z2' }, {}, false],
    [{ kind: 'replication', replication: 3 }, {}, true],
    [{ kind: 'replication', replication: 2 }, {}, false],
  ])('%j in %j: %s', (change, changes, made) => {
    expect(isMade({ ...table, ...changes }, change, { ...begun, by: '12D3KooWCCCCCCCC' })).toBe(
      made,
    )
  })
})

/** Each wait is over at once, and takes as long as it should by its own time. */
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

describe('the commands', () => {
  let server: Server
  let asked: string[]
  let answer: { status: number; text: string }
  beforeEach(async () => {
    asked = []
    answer = {
      status: 200,
      text: JSON.stringify({ epoch: 8, state: 'PLANNED', changes: ['b drains'] }),
    }
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        asked.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`.trim())
        response.statusCode = answer.status
        response.end(answer.text)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => new Promise((resolve) => server.close(resolve)))

  async function run(
    ...words: string[]
  ): Promise<{ code: number; out: string[]; errors: string[] }> {
    const out: string[] = []
    const errors: string[] = []
    const terminal: Terminal = {
      out: (line) => void out.push(line),
      error: (line) => void errors.push(line),
      draw() {},
      isTty: false,
      columns: 100,
    }
    const { port } = server.address() as AddressInfo
    const args = ['layout', ...words, '--admin', `127.0.0.1:${port}`]
    const code = await runCommandLine(args, 'unused', terminal)
    return { code, out, errors }
  }

  it.each([
    ['drain b', '{"kind":"drain","node":"b"}'],
    ['drain b --force', '{"kind":"drain","node":"b","force":true}'],
    ['remove b', '{"kind":"remove","node":"b"}'],
    ['remove b --force', '{"kind":"remove","node":"b","force":true}'],
    ['replace b c', '{"kind":"replace","node":"b","by":"c"}'],
    [
      'set b --zone z --capacity 1TiB --name n',
      '{"kind":"set","node":"b","name":"n","zone":"z","capacityBytes":1099511627776}',
    ],
    ['replication 2', '{"kind":"replication","replication":2}'],
    ['replication 5 --force', '{"kind":"replication","replication":5,"force":true}'],
  ])('layout %s', async (words, body) => {
    const { code, out } = await run(...words.split(' '))
    expect(code).toBe(0)
    expect(out).toEqual(['b drains', 'begun in epoch 8 PLANNED: see `shoal layout show`'])
    answer.text = JSON.stringify(plan)
    expect((await run('plan', ...words.split(' '))).code).toBe(0)
    expect(asked).toEqual([`POST /layout/change ${body}`, `POST /layout/plan ${body}`])
  })

  it.each([
    ['add --capacity 1GiB', '{"kind":"add","zone":"default","capacityBytes":1073741824}'],
    ['replace b', '{"kind":"replace","node":"b"}'],
    [
      'replace b --capacity 1GiB --zone z',
      '{"kind":"replace","node":"b","zone":"z","capacityBytes":1073741824}',
    ],
  ])('layout plan %s', async (words, body) => {
    answer.text = JSON.stringify({ ...plan, fits: false })
    expect((await run('plan', ...words.split(' '), '--json')).code).toBe(1)
    expect(asked).toEqual([`POST /layout/plan ${body}`])
  })

  it('--json, cancel, proceed, show', async () => {
    expect((await run('drain', 'b', '--json')).out).toEqual([answer.text])
    expect((await run('cancel')).out).toEqual(['given up: epoch 8 PLANNED'])
    expect((await run('proceed')).out).toEqual([
      'going on: epoch 8 PLANNED: see `shoal layout show`',
    ])
    answer.text = JSON.stringify(table)
    expect((await run('show')).out).toEqual(layoutLines(table))
    expect((await run('show', '--json')).out).toEqual([answer.text])
    expect(asked.slice(1)).toEqual([
      'DELETE /layout/change',
      'POST /layout/proceed',
      'GET /layout',
      'GET /layout',
    ])
  })

  it('accept-loss: what is lost first, then with --yes', async () => {
    const report = {
      id: '0123456789abcdef',
      epoch: 9,
      sources: [
        {
          epoch: 5,
          partitions: Array.from({ length: 22 }, (_, partition) => partition),
          waitsFor: ['c'],
          awaySeconds: [600],
          unreadable: 3,
        },
      ],
      registers: [{ partition: 7, kind: 'object', name: 'bucket/key' }],
    }
    answer.text = JSON.stringify(report)
    const shown = await run('accept-loss')
    expect(shown.code).toBe(1)
    expect(shown.out).toEqual([
      '22 partitions wait for c (away for 10m): blocks that nobody else has, 3 of them known, written before epoch 5',
      `  partitions ${Array.from({ length: 20 }, (_, i) => i).join(', ')} and 2 more (--json has all)`,
      'damaged, and without another replica: object bucket/key (partition 7)',
      'to give this up for good, because no further copy exists, add --yes',
    ])
    expect(asked).toEqual(['GET /layout/losses'])
    const given = await run('accept-loss', '--yes')
    expect([given.code, given.out.at(-1)]).toEqual([
      0,
      'given up. `shoal scrub` finds what is lost by that, `shoal status --lost` names it',
    ])
    expect(asked.at(-1)).toBe('POST /layout/losses {"id":"0123456789abcdef"}')
    const parts = { ...report, sources: [], sourcesRefusal: 'c answers again' }
    answer.text = JSON.stringify(parts)
    expect((await run('accept-loss')).out.slice(1)).toEqual([
      'no blocks are given up: c answers again',
      'to give this up for good, because no further copy exists, add --yes',
    ])
    answer.text = JSON.stringify({ ...report, refusal: 'c answers again' })
    const refused = await run('accept-loss', '--yes')
    expect([refused.code, refused.out.at(-1)]).toEqual([1, 'refused: c answers again'])
    expect(asked.filter((each) => each.startsWith('POST'))).toHaveLength(1)
  })

  it('--wait', async () => {
    answer.text = JSON.stringify({ ...table, nodes: [], changes: [] })
    expect((await run('drain', 'b', '--wait')).out.at(-1)).toBe('done: epoch 7')
    expect(asked).toEqual(['POST /layout/change {"kind":"drain","node":"b"}', 'GET /layout'])
    expect((await run('drain', 'b', '--no-wait')).code).toBe(0)
    expect(asked).toHaveLength(3)
  })

  it.each([
    [400, 2],
    [404, 2],
    [409, 1],
    [503, 1],
  ])('an answer of %i is one line and exit code %i', async (status, expected) => {
    answer = { status, text: '{"error":"n is not there: see `shoal layout show`"}' }
    const { code, out, errors } = await run('drain', 'n')
    expect({ code, out }).toEqual({ code: expected, out: [] })
    expect(errors).toEqual([expect.stringMatching(/: n is not there: see `shoal layout show`$/)])
  })
})
