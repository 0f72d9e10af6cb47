/** How much forms of IAM and STS may use before they have arrived as a whole and their signature can be checked. */

import { describe, expect, test } from 'vitest'
import { sendUnsigned, sendRaw } from './conformance/world.ts'
import type { IamBackend } from './port/iam-backend.ts'
import type { TestGateway } from './testing/gateway.ts'
import {
  COUNTED_IN,
  letPass,
  MEBI,
  overloadWorld,
  putBytes,
  requestHead,
  timestampNow,
} from './testing/overload-world.ts'
import { sha256, signHeader } from './testing/signer.ts'
import type { RawSocket } from './testing/socket.ts'

describe.each(COUNTED_IN)(
  'limits counted in %s: forms whose signature can be checked only after their end',
  (countedIn) => {
    const { start, open } = overloadWorld(countedIn)
    const iam: IamBackend = {
      run: () => Promise.resolve({ UserId: 'me' }),
      entityOf: (_context, accountId, kind, name) =>
        Promise.resolve({ arn: `arn:aws:iam::${accountId}:${kind}/${name}` }),
    }
    const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

    function honest({ target }: TestGateway): ReturnType<typeof sendUnsigned> {
      const body = Buffer.from('Action=GetCallerIdentity&Version=2011-06-15')
      const { host } = new URL(target.endpoint)
      const { message } = signHeader(
        {
          method: 'POST',
          path: '/',
          headers: { host, ...FORM, 'x-amz-content-sha256': sha256(body) },
        },
        { ...target, service: 'sts', timestamp: timestampNow() },
      )
      const headers = { ...message.headers, 'content-length': String(body.length) }
      return sendUnsigned(target.endpoint, { method: 'POST', url: '/', headers }, body)
    }

    function slow({ target }: TestGateway): string {
      const date = timestampNow()
      const scope = `${date.slice(0, 8)}/us-east-1/iam/aws4_request`
      const authorization = `AWS4-HMAC-SHA256 Credential=${target.accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`
      const headers = { ...FORM, 'x-amz-date': date, authorization }
      return requestHead({ method: 'POST', path: '/', headers, length: 256 * 1024 })
    }

    test('wait in a bounded number: the one that has waited longest makes room', async () => {
      const gateway = await start({ iam, limits: { strangersGatheringMax: 2 } })
      const waiting: RawSocket[] = []
      for (let i = 0; i < 3; i++) {
        const socket = await open(gateway)
        socket.send(slow(gateway))
        waiting.push(socket)
        await letPass(100)
      }
      expect(await waiting[0]?.closed()).toMatch(/^HTTP\/1.1 503/)
      expect(waiting[1]?.received()).toBe('')
      const answer = await honest(gateway)
      expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('UserId')])
      expect(await waiting[1]?.closed()).toMatch(/^HTTP\/1.1 503/)
      expect(waiting[2]?.received()).toBe('')
    })

    test('with a wrong signature use nothing of other callers', async () => {
      const gateway = await start({ iam, limits: { bodyBytesMax: 2 * MEBI, requestsMax: 40 } })
      for (let i = 0; i < 30; i++) {
        const socket = await open(gateway)
        socket.send(slow(gateway))
        socket.send('a'.repeat(60_000))
      }
      await letPass(300)
      expect((await putBytes(gateway, 60_000)).status).toBe(200)
      expect((await sendRaw(gateway.target, { path: '/bucket/k' })).status).toBe(200)
    })

    test('that are refused for lack of memory are counted', async () => {
      const gateway = await start({ iam, limits: { bodyBytesMax: 40 } })
      expect((await honest(gateway)).status).toBe(503)
      expect(gateway.metrics.refusedBy.get('too much memory for bodies')).toBe(1)
    })
  },
)
