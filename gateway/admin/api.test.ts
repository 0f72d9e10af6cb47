import { afterEach, describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeStatus } from '../port/status.ts'
import type { AdminBackend } from '../port/admin.ts'
import { sendUnsigned, type RawResponse } from '../conformance/world.ts'
import { ADMIN_ROUTES, createAdmin, type Admin } from './api.ts'
import { LayoutRefusal, type LayoutPlan, type LayoutTable } from '../port/layout.ts'
import { isLoopbackAddress, isLoopbackHost } from './loopback.ts'
import { GatewayMetrics } from './metrics.ts'

const SECRET = 'c0'.repeat(32)
const WITH_CREDENTIAL = { host: '127.0.0.1', authorization: `Bearer ${SECRET}` }

let admin: Admin | undefined
const errors: unknown[] = []
/** As the backend was asked for them. */
const changes: unknown[] = []

afterEach(async () => {
  await admin?.close()
  errors.length = 0
  changes.length = 0
})

const LOSSES = { id: '0123456789abcdef', epoch: 7, sources: [], registers: [] }
const SCRUB = {
  running: false,
  passes: 1,
  doneBytes: 10,
  totalBytes: 10,
  records: 5,
  bad: 2,
  badRows: 1,
  mended: 2,
  missing: 0,
  fetched: 0,
  lost: 0,
  unknown: 0,
  left: 1,
}

const backend: AdminBackend = {
  notReadyReason: () => undefined,
  status: () => Promise.resolve({ node: 'n' } as NodeStatus),
  issueToken: ({ ttlMs, uses }) => Promise.resolve(`token for ${ttlMs}, ${uses} times`),
  tokens: () => [{ id: '00'.repeat(8), expiresMs: 5, uses: 2, nodes: ['n'], names: ['n'] }],
  revokeToken: (id) => Promise.resolve(id === '00'.repeat(8)),
  secret: () => ({ generation: 1, keysSealed: true }),
  rotateSecret: (overlapMs) =>
    Promise.resolve({ generation: 2, keysSealed: false, sinceMs: overlapMs }),
  locate: (bucket, key) =>
    Promise.resolve({
      bucket,
      key,
      hash: 'h',
      partition: 1,
      epoch: 1,
      byLayout: [],
      names: {},
      agree: true,
    }),
  layoutTable: () => Promise.resolve({ epoch: 7 } as LayoutTable),
  planChange: (change) => {
    changes.push(change)
    return Promise.resolve({ movedBytes: 3 } as LayoutPlan)
  },
  applyChange: (change) => {
    changes.push(change)
    return Promise.resolve({ epoch: 8, state: 'PLANNED', changes: [] })
  },
  cancelChange: () => Promise.resolve({ epoch: 9, state: 'STABLE', changes: [] }),
  lossReport: () => Promise.resolve(LOSSES),
  acceptLoss: (id) => Promise.resolve({ ...LOSSES, id }),
  proceedChange: () => Promise.resolve({ epoch: 9, state: 'JOINT', changes: [] }),
  startScrub: () => ({ ...SCRUB, running: true }),
  lost: () => Promise.resolve({ objects: [], unanswered: 0 }),
  scrubStatus: () => SCRUB,
  gauges: () => [{ name: 'shoal_epoch', help: 'Epoch', type: 'gauge', value: 7 }],
}

async function start(
  parts: Partial<AdminBackend> = {},
): Promise<
  (
    method: string,
    url: string,
    headers?: Record<string, string>,
    body?: string,
  ) => Promise<RawResponse>
> {
  const metrics = new GatewayMetrics()
  metrics.of('PutObject').record(200, 0.003, 2)
  metrics.of('PutObject').record(503, 70, 1)
  admin = createAdmin({
    backend: { ...backend, ...parts },
    metrics,
    credential: { secret: SECRET, path: '/data/admin-credential' },
    logger: { error: (fields) => void errors.push(fields) },
  })
  const { url: endpoint } = await admin.listen({ host: '127.0.0.1', port: 0 })
  return (method, url, headers = WITH_CREDENTIAL, body = '') =>
    sendUnsigned(endpoint, { method, url, headers }, Buffer.from(body))
}

describe('pages', () => {
  test('health', async () => {
    const ask = await start()
    expect((await ask('GET', '/health/live')).status).toBe(200)
    expect(JSON.parse((await ask('GET', '/health/ready')).text)).toEqual({ ready: true })
  })

  test('not ready: 503 with the reason', async () => {
    const ask = await start({ notReadyReason: () => 'no quorum' })
    expect((await ask('GET', '/health/live')).status).toBe(200)
    const answer = await ask('GET', '/health/ready')
    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.text)).toEqual({ ready: false, reason: 'no quorum' })
  })

  test('metrics', async () => {
    const ask = await start()
    const { text, headers } = await ask('GET', '/metrics')
    expect(headers['content-type']).toContain('text/plain')
    for (const line of [
      'shoal_s3_requests_total{operation="PutObject",code="200"} 1',
      'shoal_s3_requests_total{operation="PutObject",code="503"} 1',
      'shoal_s3_request_seconds_bucket{operation="PutObject",le="0.0025"} 0',
      'shoal_s3_request_seconds_bucket{operation="PutObject",le="0.005"} 1',
      'shoal_s3_request_seconds_bucket{operation="PutObject",le="60"} 1',
      'shoal_s3_request_seconds_bucket{operation="PutObject",le="+Inf"} 2',
      'shoal_s3_request_seconds_count{operation="PutObject"} 2',
      'shoal_rounds_total{operation="PutObject"} 3',
      '# TYPE shoal_s3_request_seconds histogram',
      'shoal_epoch 7',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
  })

  test('status, layout, locate', async () => {
    const ask = await start()
    expect(JSON.parse((await ask('GET', '/status')).text)).toEqual({ node: 'n' })
    expect(JSON.parse((await ask('GET', '/layout')).text)).toEqual({ epoch: 7 })
    const located = await ask('GET', '/locate?bucket=b&key=a%2Fb%20c')
    expect(JSON.parse(located.text)).toMatchObject({ bucket: 'b', key: 'a/b c' })
    expect((await ask('GET', '/locate?bucket=b')).status).toBe(400)
  })

  test('changes of the layout', async () => {
    const ask = await start()
    const send = (path: string, change: unknown) =>
      ask('POST', path, WITH_CREDENTIAL, JSON.stringify(change))
    const both = [
      { kind: 'drain', node: 'b' },
      { kind: 'drain', node: 'b', force: true },
      { kind: 'remove', node: 'b', force: true },
      { kind: 'replace', node: 'b', by: 'c' },
      { kind: 'set', node: 'b', name: 'n', zone: 'z', capacityBytes: 2 ** 30 },
      { kind: 'replication', replication: 5 },
      { kind: 'replication', replication: 5, force: true },
    ]
    for (const change of both) {
      expect((await send('/layout/plan', change)).text).toBe('{"movedBytes":3}\n')
      expect(JSON.parse((await send('/layout/change', change)).text)).toMatchObject({ epoch: 8 })
      expect(changes.splice(0)).toEqual([change, change])
    }
    const onPaper = [
      { kind: 'add', zone: 'z', capacityBytes: 2 ** 40 },
      { kind: 'replace', node: 'b', zone: 'z', capacityBytes: 2 ** 40 },
    ]
    for (const change of onPaper) {
      expect((await send('/layout/plan', change)).status).toBe(200)
      expect((await send('/layout/change', change)).status).toBe(400)
      expect(changes.splice(0)).toEqual([change])
    }
    expect(JSON.parse((await ask('DELETE', '/layout/change')).text)).toMatchObject({ epoch: 9 })
  })

  test.each([
    ['', /no JSON$/],
    ['[]', /no JSON object$/],
    ['null', /no JSON object$/],
    ['{"kind":"drain","node":"b"', /no JSON$/],
    ['{"kind":"explode"}', /^kind is drain, remove, replace, set or replication/],
    ['{"kind":"drain"}', /^node is the name of a node, or the end of its id$/],
    ['{"kind":"drain","node":""}', /^node is/],
    ['{"kind":"drain","node":["b"]}', /^node is/],
    ['{"kind":"drain","node":"a b"}', /^node is/],
    ['{"kind":"drain","node":"b","zone":"z"}', /^unknown field "zone": node, force are known$/],
    ['{"kind":"drain","node":"b","__proto__":1}', /^unknown field "__proto__"/],
    ['{"kind":"remove","node":"b","force":"yes"}', /^force is true or false$/],
    ['{"kind":"set","node":"b"}', /^set: give --zone, --capacity or --name$/],
    ['{"kind":"set","node":"b","zone":"a b"}', /^zone has/],
    ['{"kind":"set","node":"b","capacityBytes":1}', /^capacityBytes is/],
    ['{"kind":"set","node":"b","capacityBytes":1e30}', /^capacityBytes is/],
    ['{"kind":"set","node":"b","capacityBytes":"1TiB"}', /^capacityBytes is/],
    ['{"kind":"replication","replication":0}', /^replication is/],
    ['{"kind":"replication","replication":2.5}', /^replication is/],
    ['{"kind":"replication","replication":8}', /^replication is/],
  ])('a change that makes no sense changes nothing: %s', async (body, expected) => {
    const ask = await start()
    for (const path of ['/layout/plan', '/layout/change']) {
      const answer = await ask('POST', path, WITH_CREDENTIAL, body)
      expect(answer.status).toBe(400)
      expect((JSON.parse(answer.text) as { error: string }).error).toMatch(expected)
    }
    expect(changes).toEqual([])
  })

  test('changes that are refused, and a body without end', async () => {
    const refuse = (status: 400 | 404 | 409) => () =>
      Promise.reject(new LayoutRefusal(status, `do that instead ${status}`))
    const ask = await start({
      planChange: refuse(404),
      applyChange: refuse(409),
      cancelChange: refuse(400),
    })
    const drain = '{"kind":"drain","node":"b"}'
    const answers = [
      await ask('POST', '/layout/plan', WITH_CREDENTIAL, drain),
      await ask('POST', '/layout/change', WITH_CREDENTIAL, drain),
      await ask('DELETE', '/layout/change'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([404, 409, 400])
    expect(answers[1]?.text).toBe('{"error":"do that instead 409"}\n')
    const long = await ask('POST', '/layout/change', WITH_CREDENTIAL, ' '.repeat(5_000))
    expect(long.status).toBe(413)
    expect(errors).toEqual([])
  })

  test('shows what would be lost, and accepts it by its id', async () => {
    const ask = await start()
    expect((await ask('GET', '/layout/losses')).text).toBe(`${JSON.stringify(LOSSES)}\n`)
    const accept = (body: string): Promise<{ status: number }> =>
      ask('POST', '/layout/losses', WITH_CREDENTIAL, body)
    expect((await accept('{"id":"0123456789abcdef"}')).status).toBe(200)
    for (const body of ['', '{}', '{"id":"0123"}', '{"id":"0123456789abcdef","force":true}']) {
      expect((await accept(body)).status).toBe(400)
    }
  })

  test('join tokens', async () => {
    const ask = await start()
    for (const [query, token] of [
      ['', 'token for 3600000, 1 times'],
      ['?ttlMs=5000', 'token for 5000, 1 times'],
      ['?ttlMs=86400000&uses=256', 'token for 86400000, 256 times'],
    ] as const) {
      expect(JSON.parse((await ask('POST', `/token${query}`)).text)).toEqual({ token })
    }
    for (const query of ['ttlMs=0', 'ttlMs=-1', 'ttlMs=x', 'ttlMs=1e99', 'ttlMs=86400001']) {
      expect((await ask('POST', `/token?${query}`)).status, query).toBe(400)
    }
    for (const uses of ['0', '-1', '1.5', 'x', '257', 'Infinity']) {
      expect((await ask('POST', `/token?uses=${uses}`)).status, uses).toBe(400)
    }
    expect(JSON.parse((await ask('GET', '/token')).text)).toEqual([
      { id: '0000000000000000', expiresMs: 5, uses: 2, nodes: ['n'], names: ['n'] },
    ])
    expect((await ask('DELETE', '/token?id=0000000000000000')).status).toBe(200)
    expect((await ask('DELETE', '/token?id=0000000000000001')).status).toBe(404)
    for (const id of ['', '?id=', '?id=x', '?id=../x']) {
      expect((await ask('DELETE', `/token${id}`)).status, id).toBe(400)
    }
  })

  test('the cluster secret', async () => {
    const ask = await start()
    expect(JSON.parse((await ask('GET', '/secret')).text)).toEqual({
      generation: 1,
      keysSealed: true,
    })
    for (const [query, sinceMs] of [
      ['', 3_600_000],
      ['?overlapMs=0', 0],
      ['?overlapMs=129600000', 129_600_000],
    ] as const) {
      const { text } = await ask('POST', `/secret/rotate${query}`)
      expect(JSON.parse(text)).toMatchObject({ generation: 2, sinceMs })
    }
    for (const overlap of ['-1', '1.5', 'x', '129600001']) {
      expect((await ask('POST', `/secret/rotate?overlapMs=${overlap}`)).status, overlap).toBe(400)
    }
  })

  test('scrub', async () => {
    const ask = await start()
    expect(JSON.parse((await ask('POST', '/scrub')).text)).toEqual({ ...SCRUB, running: true })
    expect(JSON.parse((await ask('GET', '/scrub')).text)).toEqual(SCRUB)
    expect((await ask('DELETE', '/scrub')).status).toBe(405)
  })

  test('what is not there, and what fails', async () => {
    const ask = await start({
      status: () => Promise.reject(new Error('secret')),
      locate: () => Promise.reject(new StoreError('NoSuchBucket')),
    })
    expect((await ask('GET', '/nothing')).status).toBe(404)
    expect((await ask('POST', '/status')).status).toBe(405)
    expect((await ask('PUT', '/token')).status).toBe(405)
    expect((await ask('GET', '/locate?bucket=b&key=k')).status).toBe(404)
    const failed = await ask('GET', '/status')
    expect([failed.status, failed.text.includes('secret')]).toEqual([500, false])
    expect(errors).toHaveLength(1)
  })
})

describe('who may ask (F36)', () => {
  const open = ['GET /health/live', 'GET /health/ready', 'GET /metrics']

  test('health and metrics: any process of this machine', async () => {
    const ask = await start()
    for (const route of open) {
      const [method = '', path = ''] = route.split(' ')
      expect((await ask(method, path, { host: 'localhost' })).status, route).toBe(200)
    }
  })

  test.each(ADMIN_ROUTES.filter((route) => !open.includes(route)))(
    '%s: with the credential only, and nothing happens without',
    async (route) => {
      const done: string[] = []
      const told = (name: string) => (): never => {
        done.push(name)
        throw new StoreError('Unavailable', 'asked')
      }
      const ask = await start({
        status: told('status'),
        lost: told('lost'),
        layoutTable: told('layoutTable'),
        planChange: told('planChange'),
        applyChange: told('applyChange'),
        cancelChange: told('cancelChange'),
        proceedChange: told('proceedChange'),
        lossReport: told('lossReport'),
        acceptLoss: told('acceptLoss'),
        locate: told('locate'),
        issueToken: told('issueToken'),
        tokens: told('tokens'),
        secret: told('secret'),
        rotateSecret: told('rotateSecret'),
        revokeToken: told('revokeToken'),
        startScrub: told('startScrub'),
        scrubStatus: told('scrubStatus'),
      })
      const [method = '', path = ''] = route.split(' ')
      const drain = route.startsWith('POST /layout/') ? '{"kind":"drain","node":"n"}' : ''
      const body = route === 'POST /layout/losses' ? '{"id":"0123456789abcdef"}' : drain
      const wrong: [string | undefined, number][] = [
        [undefined, 401],
        ['', 401],
        [SECRET, 401],
        ['Bearer', 401],
        [`Basic ${SECRET}`, 401],
        [`Bearer ${'0'.repeat(64)}`, 403],
        [`Bearer ${SECRET.slice(0, 63)}`, 403],
        [`Bearer ${SECRET}0`, 403],
        [`Bearer ${SECRET.toUpperCase()}`, 403],
        [`Bearer ${'é'.repeat(64)}`, 403],
      ]
      for (const [authorization, status] of wrong) {
        const headers = {
          host: 'localhost',
          ...(authorization !== undefined && { authorization }),
        }
        const url = `${path}?bucket=b&key=k&id=${'0'.repeat(16)}`
        const answer = await ask(method, url, headers, body)
        expect(answer.status, authorization).toBe(status)
        expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined)
        expect(JSON.parse(answer.text)).toMatchObject({ credential: '/data/admin-credential' })
        expect(answer.text).not.toContain(SECRET)
      }
      expect(done).toEqual([])
      const url = `${path}?bucket=b&key=k&id=${'0'.repeat(16)}`
      expect((await ask(method, url, WITH_CREDENTIAL, body)).status).toBe(503)
      expect(done).toHaveLength(1)
    },
  )

  test('who has no credential is not told which pages there are', async () => {
    const ask = await start()
    for (const path of ['/nothing', '/token', '/']) {
      expect((await ask('GET', path, { host: 'localhost' })).status, path).toBe(401)
    }
  })

  test('not web pages, nor names that were rebound', async () => {
    const ask = await start()
    const refused: Record<string, string>[] = [
      { host: 'evil.example' },
      { host: 'evil.example:9001' },
      { host: '127.0.0.1.evil.example' },
      { host: 'localhost', origin: 'http://localhost:3000' },
      { host: 'localhost', origin: 'null' },
      { host: 'localhost', 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of refused) {
      for (const [method, url] of [
        ['POST', '/token'],
        ['GET', '/metrics'],
        ['GET', '/health/live'],
      ] as const) {
        expect((await ask(method, url, headers)).status, JSON.stringify(headers)).toBe(403)
      }
    }
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:9001', '[::1]:9001']) {
      expect((await ask('GET', '/health/live', { host })).status, host).toBe(200)
    }
  })

  test('addresses', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      expect(isLoopbackAddress(address), address).toBe(true)
    }
    for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '0.0.0.0', '::', 'fe80::1', undefined]) {
      expect(isLoopbackAddress(address), address).toBe(false)
    }
    expect(isLoopbackHost(undefined)).toBe(false)
    expect(isLoopbackHost('')).toBe(false)
  })
})
