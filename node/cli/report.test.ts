import type { LocateResult } from '../../gateway/port/locate-result.ts'
import { describe, expect, it } from 'vitest'
import type { NodeStatus } from '../../gateway/port/status.ts'
import { locateLines, parseS3Url } from './locate.ts'
import { lostLines, statusLines } from './status.ts'
import { progressBar, textTable } from './table.ts'

const status: NodeStatus = {
  node: '12D3KooWaaaaaaaaAAAA',
  cluster: 'c1',
  epoch: 4,
  layoutState: 'STABLE',
  replication: 3,
  warnings: ['with two members both must answer'],
  members: [
    {
      node: '12D3KooWaaaaaaaaAAAA',
      name: 'vm-node-0',
      zone: 'rack-1',
      addresses: ['/ip4/127.0.0.1/tcp/9002'],
      capacityBytes: 2 ** 40,
      up: true,
      freeBytes: 2 ** 39,
      usedBytes: 2 ** 39,
    },
    {
      node: '12D3KooWbbbbbbbbBBBB',
      name: 'bbbbBBBB',
      zone: 'rack\u001B[2J',
      addresses: [],
      capacityBytes: 5,
      up: false,
    },
  ],
  partitions: { total: 16_384, whole: 16_384, degraded: 0, unverified: 0 },
  resync: { pending: 0, done: 7, running: false },
  recovery: {
    running: false,
    recordsReplayed: 12,
    bytesReplayed: 4096,
    damagedRecords: 0,
    indexRebuilt: false,
  },
  space: {
    totalBytes: 2 ** 40,
    freeBytes: 2 ** 39,
    logBytes: 2 ** 30,
    deadBytes: 2 ** 28,
    removalBytes: 0,
    freedBlocks: 3,
    freedBytes: 3 * 2 ** 20,
    registersCollected: 2,
    queued: 1,
  },
  upkeep: {
    compaction: {
      state: 'idle',
      segments: 4,
      movedBytes: 2 ** 20,
      freedBytes: 2 ** 23,
      stuckSegments: 0,
      writeAmplification: 1.25,
    },
    scrub: {
      running: false,
      passes: 0,
      doneBytes: 0,
      totalBytes: 0,
      records: 0,
      bad: 0,
      badRows: 0,
      mended: 0,
      missing: 0,
      fetched: 0,
      lost: 0,
      unknown: 0,
      left: 0,
    },
  },
  lost: 0,
  sources: 0,
  moves: { pendingBytes: 0, bytesPerSecond: 0 },
  canLoseANode: false,
  canLoseANodeWhy: 'bbbbBBBB is away',
  uptimeSeconds: 61,
}

describe('status', () => {
  it('is shown as a page', () => {
    expect(statusLines(status, 100)).toEqual([
      'cluster c1  epoch 4 STABLE  1 of 2 nodes up  replication 3',
      'node 12D3KooWaaaaaaaaAAAA  up 1m 1s',
      'warning: with two members both must answer',
      '',
      'NODE         ID        ZONE           STATE  CAPACITY     USED     FREE  ADDRESS',
      'vm-node-0 *  aaaaAAAA  rack-1         up        1 TiB  512 GiB  512 GiB  /ip4/127.0.0.1/tcp/9002',
      'bbbbBBBB     bbbbBBBB  rack\\u001b[2J  down        5 B        ?        ?',
      '',
      'another node may fail now: no, because bbbbBBBB is away',
      'partitions  all 16384 whole',
      'resync      nothing pending, 7 done',
      'recovery    done: 12 records, 4 KiB',
      'disk        512 GiB of 1 TiB free, log 1 GiB with 256 MiB dead',
      'collector   3 blocks freed (3 MiB), 2 registers forgotten, 1 waiting',
      'compaction  idle: 4 segments, 8 MiB freed, 1 MiB moved, write amplification 1.25',
      'scrub       none since the start',
    ])
  })

  it('shows work in progress as bars', () => {
    const lines = statusLines(
      {
        ...status,
        partitions: { total: 4, whole: 1, degraded: 2, unverified: 1 },
        resync: { pending: 3, done: 1, running: true },
        recovery: { ...status.recovery, damagedRecords: 2, indexRebuilt: true },
        upkeep: {
          compaction: { ...status.upkeep.compaction, state: 'working', stuckSegments: 1 },
          scrub: { ...status.upkeep.scrub, running: true, doneBytes: 1, totalBytes: 4, bad: 2 },
        },
      },
      100,
    ).slice(-7)
    expect(lines[0]).toMatch(/\[#+-+\] {2}25 % whole \(1 of 4; 2 degraded, 1 unverified\)$/)
    expect(lines[1]).toMatch(/25 % done \(3 pending\)$/)
    expect(lines[2]).toMatch(/2 DAMAGED; the index was rebuilt$/)
    expect(lines[5]).toMatch(/^compaction {2}working: .*1 segments kept because of damage$/)
    expect(lines[6]).toMatch(/25 % scrubbed, 2 bad, 0 repaired$/)
  })
})

describe('a change of the layout in the status', () => {
  const lines = (changes: Partial<NodeStatus>): string =>
    statusLines({ ...status, ...changes }, 100).join('\n')

  it('is one line while it is under way', () => {
    expect(lines({})).not.toContain('layout ')
    expect(lines({ layoutState: 'PLANNED' })).toContain(
      'layout      PLANNED: see `shoal layout show`',
    )
    const moves = { pendingBytes: 2 ** 30, bytesPerSecond: 2 ** 20 }
    expect(lines({ sources: 1, moves })).toContain('layout      1 GiB of blocks to come, 1 MiB/s:')
  })

  it('says when another node may fail', () => {
    expect(lines({ canLoseANode: true, canLoseANodeWhy: 'all is well' })).toContain(
      'another node may fail now: yes, because all is well',
    )
  })
})

describe('what is lost', () => {
  it('is listed by bucket, key and version', () => {
    const entry = {
      bucket: 'b',
      key: 'k\u001B[2J',
      versionId: 'null',
      sizeBytes: 2_048,
      foundMs: 0,
    }
    const lines = lostLines({ objects: [entry], unanswered: 1 })
    expect(lines).toHaveLength(3)
    expect(lines[1]).toMatch(/^b\/k\S* +null +2 KiB +1970-01-01T00:00:00.000Z$/)
    expect(lines[1]).not.toContain('\u001B')
    expect(lines[2]).toBe('warning: 1 members did not answer')
    expect(lostLines({ objects: [], unanswered: 0 })).toEqual(['nothing is known to be lost'])
  })
})

describe('locate', () => {
  const result: LocateResult = {
    bucket: 'b',
    key: 'k\n',
    hash: 'ff',
    partition: 5,
    epoch: 4,
    byLayout: [{ node: '12D3KooWaaaaaaaaAAAA', distance: '00ab' }],
    byWalk: { replicas: ['12D3KooWbbbbbbbbBBBB'], provider: '12D3KooWbbbbbbbbBBBB', hops: 2 },
    names: { '12D3KooWaaaaaaaaAAAA': 'vm-node-0' },
    agree: false,
  }

  it('shows both ways side by side', () => {
    expect(locateLines(result)).toEqual([
      's3://b/k\\u000a',
      'hash       ff',
      'partition  5, epoch 4',
      '',
      'NODE       XOR DISTANCE  LAYOUT  DHT',
      'vm-node-0  00ab          yes     no',
      '…bbbbBBBB                no      yes',
      '',
      'layout and DHT DISAGREE (asked …bbbbBBBB after 2 hops)',
    ])
    expect(locateLines({ ...result, byWalk: undefined }).at(-1)).toMatch(
      /no node has announced this part/,
    )
  })

  it('does not decode keys', () => {
    expect(parseS3Url('s3://b/a//b/../%2F?x')).toEqual({ bucket: 'b', key: 'a//b/../%2F?x' })
    for (const bad of ['s3://b', 's3://b/', 'http://b/k', 's3:///k', '']) {
      expect(() => parseS3Url(bad)).toThrow(/is not s3:\/\/BUCKET\/KEY/)
    }
  })
})

describe('text', () => {
  it('has aligned columns', () => {
    expect(
      textTable(
        [{ title: 'A' }, { title: 'N', align: 'right' }],
        [
          ['x', '10'],
          ['yy', '9'],
        ],
      ),
    ).toEqual(['A    N', 'x   10', 'yy   9'])
  })

  it('has bars that fit into the width', () => {
    expect(progressBar('x', 5, 0, 80)).toContain('100 %')
    expect(progressBar('x', 9, 3, 80)).toContain('100 %')
    expect(progressBar('x', -1, 3, 80)).toContain('  0 %')
    expect(progressBar('a long label', 1, 2, 20).length).toBeLessThanOrEqual(20)
  })
})
