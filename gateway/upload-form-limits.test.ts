/** What forms that upload a file may use: bytes besides the file, memory, places and time, also before their sender is known. */

import { describe, expect, test } from 'vitest'
import { sendRaw, type RawResponse } from './conformance/world.ts'
import {
  BOUNDARY,
  encodeForm,
  FORM_TYPE,
  partsOf,
  postBody,
  postForm,
  signedFields,
  type FormPart,
} from './testing/forms.ts'
import type { TestGateway } from './testing/gateway.ts'
import { gatewayForEachTest } from './testing/http-world.ts'
import {
  allowEverybody,
  COUNTED_IN,
  letPass,
  MEBI,
  overloadWorld,
  putBytes,
  requestHead,
} from './testing/overload-world.ts'
import { openSocket, type RawSocket } from './testing/socket.ts'

const start = gatewayForEachTest()

function send({ target }: TestGateway, parts: readonly FormPart[]): Promise<RawResponse> {
  return postBody(target.endpoint, 'bucket', encodeForm(parts))
}

function postFile({ target }: TestGateway, file: string | Uint8Array = 'x'): Promise<RawResponse> {
  return postForm(target, { bucket: 'bucket', fields: { key: 'k' }, file })
}

const shown = ({ status, code }: RawResponse): string => `${status} ${code}`

async function isEmpty({ target }: TestGateway): Promise<boolean> {
  const list = await sendRaw(target, { path: '/bucket' })
  return list.status === 200 && !list.text.includes('<Contents>')
}

const field = (name: string, length: number): FormPart => ({ name, value: 'v'.repeat(length) })
const file: FormPart = { name: 'file', value: 'x', filename: 'a' }
const key: FormPart = { name: 'key', value: 'k' }

const TOO_LARGE: [string, FormPart[]][] = [
  ['a large field', [key, field('x-ignore-a', 20_480), file]],
  [
    '10,000 fields',
    [key, ...Array.from({ length: 10_000 }, (_, i) => field(`x-ignore-${i}`, 0)), file],
  ],
  ['a huge name', [key, field(`x-ignore-${'n'.repeat(200_000)}`, 0), file]],
  ['a large field after the file', [key, file, field('x-ignore-a', 300_000)]],
  [
    'many small values of the name of the file',
    [
      key,
      { name: 'x-ignore-a', value: '${filename}'.repeat(500) },
      { ...file, filename: 'f'.repeat(8_000) },
    ],
  ],
  [
    'a nested form',
    [key, { name: 'x-ignore-a', value: encodeForm([field('a', 30_000)], 'inner') }, file],
  ],
]

describe('limits', () => {
  test.each(TOO_LARGE)('%s is refused with MaxPostPreDataLengthExceeded', async (_, parts) => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    const answer = await send(gateway, parts)
    expect(shown(answer)).toBe('400 MaxPostPreDataLengthExceeded')
    expect(answer.text).toContain('<MaxPostPreDataLengthBytes>20480</MaxPostPreDataLengthBytes>')
    expect(await isEmpty(gateway)).toBe(true)
  })

  test('an endless preamble or block of headers is refused when it has 20 KiB', async () => {
    const gateway = await start()
    for (const beginning of ['p', `--${BOUNDARY}\r\nX-Bomb: b\r\n`, `--${BOUNDARY}\r\n`]) {
      const socket = await openSocket(gateway.target.endpoint)
      socket.send(
        requestHead({ method: 'POST', path: '/bucket', headers: FORM_TYPE, length: 2 ** 40 }),
      )
      socket.send(beginning.repeat(1_024))
      if (beginning.length < 60) socket.send(Buffer.alloc(40_000, 'a: b\r\n'))
      expect(await socket.until('</Error>')).toMatch(/ 400 /)
      socket.socket.destroy()
    }
  })

  test('exactly 20 KiB of form are taken', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    const parts = (length: number): FormPart[] => [key, field('x-ignore-a', length), file]
    const rest = encodeForm(parts(0)).length - 1
    expect((await send(gateway, parts(20_480 - rest))).status).toBe(204)
    expect(shown(await send(gateway, parts(20_481 - rest)))).toBe(
      '400 MaxPostPreDataLengthExceeded',
    )
  })
})

describe('bodies', () => {
  test('a form without Content-Length gets 411, one that is cut stores nothing', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    const chunked = { ...FORM_TYPE, 'transfer-encoding': 'chunked' }
    const socket = await openSocket(gateway.target.endpoint)
    socket.send(requestHead({ method: 'POST', path: '/bucket', headers: chunked }))
    expect(await socket.until('</Error>')).toMatch(/ 411 /)
    const body = encodeForm(partsOf({ key: 'k' }, Buffer.alloc(100_000)))
    const cut = await openSocket(gateway.target.endpoint)
    cut.send(
      requestHead({ method: 'POST', path: '/bucket', headers: FORM_TYPE, length: body.length }),
    )
    cut.send(body.subarray(0, 90_000))
    await letPass()
    cut.socket.destroy()
    const short = await postBody(gateway.target.endpoint, 'bucket', body.subarray(0, -6))
    expect(shown(short)).toBe('400 MalformedPOSTRequest')
    expect(await isEmpty(gateway)).toBe(true)
  })

  test('100 Continue is sent for the fields, and pieces of any size are taken', async () => {
    const gateway = await start()
    await allowEverybody(gateway, 's3:PutObject')
    const body = encodeForm(partsOf({ key: 'k' }, `\r\n--${BOUNDARY.slice(0, -1)}`))
    const socket = await openSocket(gateway.target.endpoint)
    const headers = { ...FORM_TYPE, expect: '100-continue' }
    socket.send(requestHead({ method: 'POST', path: '/bucket', headers, length: body.length }))
    await socket.until('100 Continue')
    socket.socket.setNoDelay(true)
    for (const byte of body) {
      socket.send(Buffer.of(byte))
      await letPass(2)
    }
    expect(await socket.until('ETag')).toMatch(/ 204 /)
    expect((await sendRaw(gateway.target, { path: '/bucket/k' })).text).toBe(
      `\r\n--${BOUNDARY.slice(0, -1)}`,
    )
    socket.socket.destroy()
  })

  test('a large file is not kept: its memory counts for nobody', async () => {
    const gateway = await start({ limits: { bodyBytesMax: MEBI } })
    const large = Buffer.alloc(4 * MEBI, 'abc')
    expect((await postFile(gateway, large)).status).toBe(204)
    expect(gateway.metrics.refusedBy.size).toBe(0)
  })
})

describe.each(COUNTED_IN)('forms that upload a file, with limits counted in %s', (countedIn) => {
  const { start: startLimited, open } = overloadWorld(countedIn)
  const head = requestHead({ method: 'POST', path: '/bucket', headers: FORM_TYPE, length: 60_000 })

  test('wait for their fields in a bounded number: the one that has waited longest makes room', async () => {
    const gateway = await startLimited({ limits: { strangersGatheringMax: 2 } })
    const waiting: RawSocket[] = []
    for (let i = 0; i < 3; i++) {
      const socket = await open(gateway)
      socket.send(head)
      waiting.push(socket)
      await letPass(100)
    }
    expect(await waiting[0]?.closed()).toMatch(/^HTTP\/1.1 503/)
    expect([waiting[1]?.received(), waiting[2]?.received()]).toEqual(['', ''])
    expect((await postFile(gateway)).status).toBe(204)
  })

  test('of strangers use nothing of other callers, and signed ones still pass', async () => {
    const gateway = await startLimited({ limits: { bodyBytesMax: 2 * MEBI, requestsMax: 40 } })
    for (let i = 0; i < 30; i++) {
      const socket = await open(gateway)
      socket.send(head)
      socket.send('a'.repeat(20_000))
    }
    await letPass(300)
    expect((await putBytes(gateway, 60_000)).status).toBe(200)
  })

  test('are ended when their fields do not come in time', async () => {
    const limits = { gatherTimeoutMs: 100, gatherBytesPerSecond: MEBI }
    const gateway = await startLimited({ limits })
    const socket = await open(gateway)
    socket.send(head)
    expect(await socket.closed()).toMatch(/^HTTP\/1.1 (?:400|503)/)
  })
})

test('a signed form with a slow file is no longer under the deadline of its fields', async () => {
  const gateway = await start({
    limits: { gatherTimeoutMs: 300, gatherBytesPerSecond: 100 * MEBI },
  })
  const { target } = gateway
  const fields = signedFields(target, { bucket: 'bucket', fields: { key: 'k' } })
  const body = encodeForm(partsOf(fields, Buffer.alloc(200_000)))
  const socket = await openSocket(target.endpoint)
  socket.send(
    requestHead({ method: 'POST', path: '/bucket', headers: FORM_TYPE, length: body.length }),
  )
  socket.send(body.subarray(0, 5_000))
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(socket.received()).toBe('')
  socket.send(body.subarray(5_000))
  expect(await socket.until('ETag')).toMatch(/ 204 /)
  socket.socket.destroy()
})
