/** F23: bodies recorded from real clients are accepted, and only when they are complete. */

import { expect, test } from 'vitest'
import { authenticate } from '../authenticate.ts'
import { openBody, storedContentEncoding } from '../../body/body.ts'
import { RECORDED_UNSIGNED_UPLOADS } from '../../testing/recorded-unsigned-uploads.ts'
import { RECORDED_SIGNED_UPLOADS, type RecordedUpload } from '../../testing/recorded-uploads.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'

function header({ headers }: RecordedUpload, wanted: string): string | undefined {
  const values = headers.filter(([name]) => name === wanted).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(',')
}

function timeOf(recorded: RecordedUpload): number {
  const [, ...parts] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header(recorded, 'x-amz-date') ?? '') ?? []
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

function bodyOf({ body }: RecordedUpload): Buffer {
  return Buffer.from(
    body.replaceAll(/\{(\d+)\}/g, (_, count) => 'a'.repeat(Number(count))),
    'latin1',
  )
}

async function upload(
  recorded: RecordedUpload,
  pieces: readonly Uint8Array[],
): Promise<{ bytes: string; checksums: object; encoding: string | undefined }> {
  const { url, headers } = recorded
  const request = fakeRequest({ method: 'PUT', url, headers, body: pieces })
  const auth = await authenticate(request, {
    lookup: async () => EXAMPLE_CREDENTIAL,
    nowMs: timeOf(recorded),
    region: 'us-east-1',
  })
  const body = await openBody(request, auth)
  const chunks: Buffer[] = []
  if ('bytes' in body) chunks.push(Buffer.from(body.bytes))
  else for await (const chunk of body.chunks) chunks.push(Buffer.from(chunk))
  const { checksums } = body.finish()
  const encoding = storedContentEncoding(request)
  return { bytes: Buffer.concat(chunks).toString('latin1'), checksums, encoding }
}

const RECORDED_UPLOADS = [...RECORDED_SIGNED_UPLOADS, ...RECORDED_UNSIGNED_UPLOADS]
const CASES = RECORDED_UPLOADS.map((each) => [each.name, each] as const)

test.each(CASES)('%s', async (_name, recorded) => {
  const body = bodyOf(recorded)
  const wanted = Number(header(recorded, 'x-amz-decoded-content-length'))
  for (const pieces of [[body], Array.from(body, (_, at) => body.subarray(at, at + 1))]) {
    // Only small bodies are sent byte by byte.
    if (pieces.length > 10_000) continue
    const { bytes, checksums, encoding } = await upload(recorded, pieces)
    expect(bytes.length).toBe(wanted)
    expect(bytes).toMatch(/^(hello|a*)$/)
    const trailer = header(recorded, 'x-amz-trailer')
    if (trailer !== undefined) {
      expect(Object.keys(checksums)).toEqual([
        trailer.slice('x-amz-checksum-'.length).toUpperCase(),
      ])
    }
    expect(encoding).toBe(
      /gzip/.test(header(recorded, 'content-encoding') ?? '') ? 'gzip' : undefined,
    )
  }
})

test.each(CASES)(
  '%s is refused when it is cut short, longer, or changed',
  async (_name, recorded) => {
    const body = bodyOf(recorded)
    // minio-go sends an unnecessary line at the end.
    const spare = recorded.body.endsWith('\n\r\n\r\n') ? 2 : 0
    for (const left of [0, 1, 3, body.length - 3 - spare, body.length - 1 - spare]) {
      await expect(upload(recorded, [body.subarray(0, left)]), String(left)).rejects.toMatchObject({
        code: 'IncompleteBody',
        status: 400,
      })
    }
    await expect(upload(recorded, [body, Buffer.from('x')])).rejects.toMatchObject({
      code: 'IncompleteBody',
    })
    const at = body.indexOf(recorded.body.includes('hello') ? 'hello' : 'a'.repeat(20))
    if (at < 0) return
    const changed = Buffer.from(body)
    changed[at] = 0x7a
    await expect(upload(recorded, [changed])).rejects.toMatchObject({
      code: expect.stringMatching(/^(SignatureDoesNotMatch|BadDigest)$/),
    })
  },
)
