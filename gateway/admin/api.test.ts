/** Pages of the admin port. */

import { describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import { adminWorld, EXAMPLE_SCRUB } from '../testing/admin-world.ts'

const { start, errors } = adminWorld()

describe('pages', () => {
  test('health', async () => {
    const ask = await start()
    expect((await ask('GET', '/health/live')).status).toBe(200)
    expect(JSON.parse((await ask('GET', '/health/ready')).text)).toEqual({ ready: true })
  })

  test('a node that is not ready answers 503 with the reason', async () => {
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

  test('scrub', async () => {
    const ask = await start()
    expect(JSON.parse((await ask('POST', '/scrub')).text)).toEqual({
      ...EXAMPLE_SCRUB,
      running: true,
    })
    expect(JSON.parse((await ask('GET', '/scrub')).text)).toEqual(EXAMPLE_SCRUB)
    expect((await ask('DELETE', '/scrub')).status).toBe(405)
  })

  test('missing pages and failures', async () => {
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

describe('secrets', () => {
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
})

describe('quotas', () => {
  test('are set, shown and removed, and what is no quota is refused', async () => {
    const ask = await start()
    const set = async (body: string): Promise<string> => {
      const { status, text } = await ask('PUT', '/quota?bucket=b', undefined, body)
      return `${status} ${text.trim()}`
    }
    expect(await set('{"bytes":1,"objects":0}')).toBe(
      '200 {"bucket":"b","quota":{"bytes":1,"objects":0},"usage":null}',
    )
    for (const wrong of [
      '{}',
      '[]',
      'null',
      '{',
      '{"byte":1}',
      '{"bytes":-1}',
      '{"bytes":1.5}',
      '{"bytes":"1"}',
      '{"bytes":1e300}',
    ]) {
      expect(await set(wrong), wrong).toMatch(/^400 \{"error":/)
    }
    for (const method of ['GET', 'PUT', 'DELETE']) {
      expect((await ask(method, '/quota', undefined, '{"bytes":1}')).status).toBe(400)
    }
    const removed = await ask('DELETE', '/quota?bucket=b')
    expect(JSON.parse(removed.text)).toEqual({ bucket: 'b', quota: null, usage: null })
  })
})
