import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { drainPlan, layoutAtRest } from '../testing/layout-tables.ts'
import { layoutLines } from './layout-text.ts'
import { runCommandLine } from './program.ts'
import type { Terminal } from './terminal.ts'

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

async function run(...words: string[]): Promise<{ code: number; out: string[]; errors: string[] }> {
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

describe('commands that change or show the layout', () => {
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
    answer.text = JSON.stringify(drainPlan)
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
    answer.text = JSON.stringify({ ...drainPlan, fits: false })
    expect((await run('plan', ...words.split(' '), '--json')).code).toBe(1)
    expect(asked).toEqual([`POST /layout/plan ${body}`])
  })

  it('cancel, proceed, show, and --json', async () => {
    expect((await run('drain', 'b', '--json')).out).toEqual([answer.text])
    expect((await run('cancel')).out).toEqual(['given up: epoch 8 PLANNED'])
    expect((await run('proceed')).out).toEqual([
      'going on: epoch 8 PLANNED: see `shoal layout show`',
    ])
    answer.text = JSON.stringify(layoutAtRest)
    expect((await run('show')).out).toEqual(layoutLines(layoutAtRest))
    expect((await run('show', '--json')).out).toEqual([answer.text])
    expect(asked.slice(1)).toEqual([
      'DELETE /layout/change',
      'POST /layout/proceed',
      'GET /layout',
      'GET /layout',
    ])
  })

  it('--wait', async () => {
    answer.text = JSON.stringify({ ...layoutAtRest, nodes: [], changes: [] })
    expect((await run('drain', 'b', '--wait')).out.at(-1)).toBe('done: epoch 7')
    expect(asked).toEqual(['POST /layout/change {"kind":"drain","node":"b"}', 'GET /layout'])
    expect((await run('drain', 'b', '--no-wait')).code).toBe(0)
    expect(asked).toHaveLength(3)
  })
})

describe('layout accept-loss', () => {
  it('shows what would be lost, and gives it up with --yes', async () => {
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
      '22 partitions wait for c (away for 10m): blocks that no other node has, 3 of them known, written before epoch 5',
      `  partitions ${Array.from({ length: 20 }, (_, i) => i).join(', ')} and 2 more (--json has all)`,
      'damaged and without another replica: object bucket/key (partition 7)',
      'if no other copy of this exists, add --yes to give it up for good',
    ])
    expect(asked).toEqual(['GET /layout/losses'])
    const given = await run('accept-loss', '--yes')
    expect([given.code, given.out.at(-1)]).toEqual([
      0,
      'given up. Run `shoal scrub` to find what is lost by this; `shoal status --lost` then lists it',
    ])
    expect(asked.at(-1)).toBe('POST /layout/losses {"id":"0123456789abcdef"}')
    const parts = { ...report, sources: [], sourcesRefusal: 'c answers again' }
    answer.text = JSON.stringify(parts)
    expect((await run('accept-loss')).out.slice(1)).toEqual([
      'no blocks are given up: c answers again',
      'if no other copy of this exists, add --yes to give it up for good',
    ])
    answer.text = JSON.stringify({ ...report, refusal: 'c answers again' })
    const refused = await run('accept-loss', '--yes')
    expect([refused.code, refused.out.at(-1)]).toEqual([1, 'refused: c answers again'])
    expect(asked.filter((each) => each.startsWith('POST'))).toHaveLength(1)
  })
})

describe('a refusal', () => {
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
