/** Who may use the admin port. */

import { describe, expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import { ADMIN_SECRET, adminWorld, WITH_CREDENTIAL } from '../testing/admin-world.ts'
import { ADMIN_ROUTES } from './api.ts'
import { isLoopbackAddress } from '../http/address.ts'
import { isLoopbackHost } from './loopback.ts'

const { start } = adminWorld()

/** Values sent instead of the credential, and the status of the answer. */
const WRONG_CREDENTIALS: [string | undefined, number][] = [
  [undefined, 401],
  ['', 401],
  [ADMIN_SECRET, 401],
  ['Bearer', 401],
  [`Basic ${ADMIN_SECRET}`, 401],
  [`Bearer ${'0'.repeat(64)}`, 403],
  [`Bearer ${ADMIN_SECRET.slice(0, 63)}`, 403],
  [`Bearer ${ADMIN_SECRET}0`, 403],
  [`Bearer ${ADMIN_SECRET.toUpperCase()}`, 403],
  [`Bearer ${'é'.repeat(64)}`, 403],
]

describe('who may use the admin port (F36)', () => {
  const open = ['GET /health/live', 'GET /health/ready', 'GET /metrics']

  test('health and metrics are open to any process of this machine', async () => {
    const ask = await start()
    for (const route of open) {
      const [method = '', path = ''] = route.split(' ')
      expect((await ask(method, path, { host: 'localhost' })).status, route).toBe(200)
    }
  })

  test.each(ADMIN_ROUTES.filter((route) => !open.includes(route)))(
    '%s needs the credential, and does nothing without it',
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
        quota: told('quota'),
        setQuota: told('setQuota'),
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
      const bodies: Record<string, string> = {
        'POST /layout/losses': '{"id":"0123456789abcdef"}',
        'PUT /quota': '{"bytes":1}',
      }
      const body = bodies[route] ?? drain
      for (const [authorization, status] of WRONG_CREDENTIALS) {
        const headers = {
          host: 'localhost',
          ...(authorization !== undefined && { authorization }),
        }
        const url = `${path}?bucket=b&key=k&id=${'0'.repeat(16)}`
        const answer = await ask(method, url, headers, body)
        expect(answer.status, authorization).toBe(status)
        expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined)
        expect(JSON.parse(answer.text)).toMatchObject({ credential: '/data/admin-credential' })
        expect(answer.text).not.toContain(ADMIN_SECRET)
      }
      expect(done).toEqual([])
      const url = `${path}?bucket=b&key=k&id=${'0'.repeat(16)}`
      expect((await ask(method, url, WITH_CREDENTIAL, body)).status).toBe(503)
      expect(done).toHaveLength(1)
    },
  )
})

describe('who may not use the admin port (F36)', () => {
  test('requests without the credential are not told which pages exist', async () => {
    const ask = await start()
    for (const path of ['/nothing', '/token', '/']) {
      expect((await ask('GET', path, { host: 'localhost' })).status, path).toBe(401)
    }
  })

  test('web pages and rebound names are refused', async () => {
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

  test('only loopback addresses are accepted', () => {
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
