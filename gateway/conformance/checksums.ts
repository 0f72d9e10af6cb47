/** Checksums that the server computes: defaults, parts, and what a completion may declare of the whole object. */

import assert from 'node:assert/strict'
import { CHECKSUM_ALGORITHMS, checksumHeader, createChecksum } from '../body/checksum.ts'
import type { ChecksumAlgorithm } from '../port/body.ts'
import { cut, encodeChunks } from '../testing/chunks.ts'
import {
  expectRefused,
  type ConformanceCase,
  type RawResponse,
  type ConformanceWorld,
} from './world.ts'

const PART_BYTES = 5 * 1024 * 1024
const FIRST = Buffer.alloc(PART_BYTES, 'first part ')
const LAST = Buffer.from('the last part')
const WHOLE = Buffer.concat([FIRST, LAST])

type Headers = Readonly<Record<string, string>>

/** Base64. */
function sum(algorithm: ChecksumAlgorithm, bytes: Uint8Array): string {
  const hasher = createChecksum(algorithm)
  hasher.update(bytes)
  return Buffer.from(hasher.digest()).toString('base64')
}

function compositeOf(algorithm: ChecksumAlgorithm, parts: readonly Uint8Array[]): string {
  return sum(
    algorithm,
    Buffer.concat(parts.map((each) => Buffer.from(sum(algorithm, each), 'base64'))),
  )
}

function element(text: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
}

function send(
  world: ConformanceWorld,
  method: string,
  key: string,
  query: readonly (readonly [string, string])[] = [],
  headers: Headers = {},
  body: Uint8Array = new Uint8Array(0),
): Promise<RawResponse> {
  return world.raw({
    method,
    path: `/${world.bucket}/${key}`,
    query,
    headers,
    ...(body.length === 0 ? {} : { body: [body] }),
  })
}

async function create(
  world: ConformanceWorld,
  key: string,
  headers: Headers = {},
): Promise<string> {
  const answer = await send(world, 'POST', key, [['uploads', '']], headers)
  assert.equal(answer.status, 200, answer.text)
  return element(answer.text, 'UploadId') ?? ''
}

function putPart(
  world: ConformanceWorld,
  key: string,
  uploadId: string,
  partNumber: number,
  body: Uint8Array,
  headers: Headers = {},
): Promise<RawResponse> {
  const query = [
    ['partNumber', String(partNumber)],
    ['uploadId', uploadId],
  ] as const
  return send(world, 'PUT', key, query, headers, body)
}

/** The parts of a completion: the ETags of the answers, and `more` for each part. */
function partsXml(answers: readonly RawResponse[], more: readonly string[] = []): string {
  return answers
    .map(({ status, headers, text }, index) => {
      assert.equal(status, 200, text)
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${headers['etag']}</ETag>${more[index] ?? ''}</Part>`
    })
    .join('')
}

function complete(
  world: ConformanceWorld,
  key: string,
  uploadId: string,
  parts: string,
  headers: Headers = {},
): Promise<RawResponse> {
  const xml = `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`
  return send(world, 'POST', key, [['uploadId', uploadId]], headers, Buffer.from(xml))
}

function attributes(world: ConformanceWorld, key: string): Promise<RawResponse> {
  const headers = { 'x-amz-object-attributes': 'Checksum,ObjectParts' }
  return send(world, 'GET', key, [['attributes', '']], headers)
}

async function shows(
  world: ConformanceWorld,
  key: string,
  name: string,
  value: string,
): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const answer = await send(world, method, key, [], { 'x-amz-checksum-mode': 'ENABLED' })
    assert.equal(answer.headers[name], value, `${method} ${name}`)
  }
}

const CRC64 = 'x-amz-checksum-crc64nvme'

export const CHECKSUM_CASES: readonly ConformanceCase[] = [
  {
    name: 'an object whose client declares no checksum gets CRC64NVME',
    async run(world) {
      for (const [key, bytes] of [
        ['empty', Buffer.alloc(0)],
        ['small', Buffer.from('hello')],
        ['large', WHOLE],
      ] as const) {
        const value = sum('CRC64NVME', bytes)
        const made = await send(world, 'PUT', key, [], {}, bytes)
        assert.equal(made.headers[CRC64], value, key)
        assert.equal(made.headers['x-amz-checksum-type'], 'FULL_OBJECT')
        await shows(world, key, CRC64, value)
        await shows(world, key, 'x-amz-checksum-type', 'FULL_OBJECT')
        const copied = await send(world, 'PUT', `${key}-copy`, [], {
          'x-amz-copy-source': `/${world.bucket}/${key}`,
        })
        assert.equal(element(copied.text, 'ChecksumCRC64NVME'), value)
        assert.equal(element(copied.text, 'ChecksumType'), 'FULL_OBJECT')
        await shows(world, `${key}-copy`, CRC64, value)
      }
      const quiet = await send(world, 'HEAD', 'small')
      assert.equal(quiet.headers[CRC64], undefined)
      const listed = await world.raw({ method: 'GET', path: `/${world.bucket}` })
      assert.equal(element(listed.text, 'ChecksumAlgorithm'), 'CRC64NVME')
    },
  },
  {
    name: 'each algorithm in headers and trailers, of copies, lists and XML bodies',
    async run(world) {
      const path = `/${world.bucket}`
      for (const algorithm of CHECKSUM_ALGORITHMS) {
        const header = checksumHeader(algorithm)
        const value = sum(algorithm, LAST)
        const lie = sum(algorithm, FIRST)
        const promised = { 'x-amz-sdk-checksum-algorithm': algorithm }
        const put = (more: Headers, body: Uint8Array = LAST): Promise<RawResponse> =>
          send(world, 'PUT', algorithm, [], more, body)
        expectRefused(await put({ [header]: lie }), 400, 'BadDigest')
        expectRefused(await put({ [header]: `${value}=` }), 400, 'InvalidRequest')
        expectRefused(await send(world, 'HEAD', algorithm), 404, undefined)
        const made = await put({ [header]: value, ...promised })
        assert.equal(made.headers[header], value, made.text)
        assert.equal(made.headers['x-amz-checksum-type'], 'FULL_OBJECT')
        await shows(world, algorithm, header, value)
        const trailing = {
          ...promised,
          'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
          'x-amz-decoded-content-length': String(LAST.length),
          'x-amz-trailer': header,
          'content-encoding': 'aws-chunked',
        }
        const chunks = (sent: string): Uint8Array =>
          encodeChunks(cut(LAST, [0.4]), { trailers: [[header, sent]] })
        expectRefused(await put(trailing, chunks(lie)), 400, 'BadDigest')
        const streamed = await put(trailing, chunks(value))
        assert.equal(streamed.headers[header], value, streamed.text)
        const found = await attributes(world, algorithm)
        assert.equal(element(found.text, `Checksum${algorithm}`), value, found.text)
        const prefix = [['prefix', algorithm]] as const
        const listed = await world.raw({ method: 'GET', path, query: prefix })
        assert.equal(element(listed.text, 'ChecksumAlgorithm'), algorithm)
        await send(world, 'PUT', 'plain', [], {}, LAST)
        const chosen = { 'x-amz-checksum-algorithm': algorithm }
        for (const [source, more] of [
          [algorithm, {}],
          ['plain', chosen],
        ] as const) {
          const from = { 'x-amz-copy-source': `${path}/${source}` }
          const copied = await send(world, 'PUT', 'copy', [], { ...from, ...more })
          assert.equal(element(copied.text, `Checksum${algorithm}`), value, copied.text)
          await shows(world, 'copy', header, value)
        }
        const xml = Buffer.from('<Delete><Object><Key>copy</Key></Object></Delete>')
        const remove = (sent: string): Promise<RawResponse> =>
          world.raw({
            method: 'POST',
            path,
            query: [['delete', '']],
            headers: { [header]: sent },
            body: [xml],
          })
        expectRefused(await remove(lie), 400, 'BadDigest')
        const removed = await remove(sum(algorithm, xml))
        assert.equal(element(removed.text, 'Key'), 'copy', removed.text)
      }
    },
  },
  {
    name: 'without an algorithm, each part and the whole object get CRC64NVME',
    async run(world) {
      const id = await create(world, 'plain')
      const first = await putPart(world, 'plain', id, 1, FIRST)
      assert.equal(first.headers[CRC64], sum('CRC64NVME', FIRST))
      assert.equal(first.headers['x-amz-checksum-type'], undefined)
      // As SDKs send it by default.
      const last = await putPart(world, 'plain', id, 2, LAST, {
        'x-amz-checksum-crc32': sum('CRC32', LAST),
      })
      assert.equal(last.headers['x-amz-checksum-crc32'], sum('CRC32', LAST))
      const listed = await send(world, 'GET', 'plain', [['uploadId', id]])
      assert.equal(element(listed.text, 'ChecksumCRC64NVME'), sum('CRC64NVME', FIRST))
      const xml = partsXml([first, last])
      const wrong = await complete(world, 'plain', id, xml, { [CRC64]: sum('CRC64NVME', LAST) })
      expectRefused(wrong, 400, 'BadDigest')
      const other = { 'x-amz-checksum-sha256': sum('SHA256', WHOLE) }
      expectRefused(await complete(world, 'plain', id, xml, other), 400, 'InvalidRequest')
      const value = sum('CRC64NVME', WHOLE)
      const done = await complete(world, 'plain', id, xml, { [CRC64]: value })
      assert.equal(element(done.text, 'ChecksumCRC64NVME'), value, done.text)
      assert.equal(element(done.text, 'ChecksumType'), 'FULL_OBJECT')
      const again = await complete(world, 'plain', id, xml)
      assert.equal(again.text, done.text)
      await shows(world, 'plain', CRC64, value)
      const found = await attributes(world, 'plain')
      const sums = [...found.text.matchAll(/<ChecksumCRC64NVME>([^<]*)</g)].map((each) => each[1])
      assert.deepEqual(sums, [value, sum('CRC64NVME', FIRST), sum('CRC64NVME', LAST)])
    },
  },
  {
    name: 'full-object checksums are computed from parts without declared ones, and compared with the declared one',
    async run(world) {
      for (const algorithm of ['CRC32', 'CRC32C', 'CRC64NVME'] as const) {
        const header = checksumHeader(algorithm)
        const id = await create(world, algorithm, {
          'x-amz-checksum-algorithm': algorithm,
          'x-amz-checksum-type': 'full_object',
        })
        const first = await putPart(world, algorithm, id, 1, FIRST)
        assert.equal(first.headers[header], sum(algorithm, FIRST))
        const last = await putPart(world, algorithm, id, 2, LAST, {
          [header]: sum(algorithm, LAST),
        })
        const xml = partsXml([first, last])
        const lie = { [header]: sum(algorithm, Buffer.from('something else')) }
        expectRefused(await complete(world, algorithm, id, xml, lie), 400, 'BadDigest')
        const two = { [header]: sum(algorithm, WHOLE), 'x-amz-checksum-sha1': sum('SHA1', WHOLE) }
        expectRefused(await complete(world, algorithm, id, xml, two), 400, 'InvalidRequest')
        const type = { 'x-amz-checksum-type': 'COMPOSITE' }
        expectRefused(await complete(world, algorithm, id, xml, type), 400, 'InvalidRequest')
        const other = { 'x-amz-checksum-sha256': sum('SHA256', WHOLE) }
        expectRefused(await complete(world, algorithm, id, xml, other), 400, 'InvalidRequest')
        const garbage = { [header]: 'invalid' }
        expectRefused(await complete(world, algorithm, id, xml, garbage), 400, 'InvalidRequest')
        const value = sum(algorithm, WHOLE)
        const done = await complete(world, algorithm, id, xml, { [header]: value })
        assert.equal(element(done.text, `Checksum${algorithm}`), value, done.text)
        await shows(world, algorithm, header, value)
        await shows(world, algorithm, 'x-amz-checksum-type', 'FULL_OBJECT')
      }
    },
  },
  {
    name: 'composite checksums need those of all parts, in the parts and in the completion',
    async run(world) {
      for (const algorithm of CHECKSUM_ALGORITHMS) {
        if (algorithm === 'CRC64NVME') continue
        const header = checksumHeader(algorithm)
        const id = await create(world, algorithm, { 'x-amz-checksum-algorithm': algorithm })
        expectRefused(await putPart(world, algorithm, id, 1, LAST), 400, 'InvalidRequest')
        const foreign = algorithm === 'SHA1' ? 'CRC32' : 'SHA1'
        const other = { [checksumHeader(foreign)]: sum(foreign, LAST) }
        expectRefused(await putPart(world, algorithm, id, 1, LAST, other), 400, 'InvalidRequest')
        const parts = [
          await putPart(world, algorithm, id, 1, FIRST, { [header]: sum(algorithm, FIRST) }),
          await putPart(world, algorithm, id, 2, LAST, { [header]: sum(algorithm, LAST) }),
        ]
        const tag = (value: string): string =>
          `<Checksum${algorithm}>${value}</Checksum${algorithm}>`
        const sums = [tag(sum(algorithm, FIRST)), tag(sum(algorithm, LAST))]
        expectRefused(
          await complete(world, algorithm, id, partsXml(parts, sums.slice(0, 1))),
          400,
          'InvalidRequest',
        )
        const swapped = partsXml(parts, [...sums].reverse())
        expectRefused(await complete(world, algorithm, id, swapped), 400, 'InvalidPart')
        const xml = partsXml(parts, sums)
        const lie = { [header]: `${sum(algorithm, WHOLE)}-2` }
        expectRefused(await complete(world, algorithm, id, xml, lie), 400, 'BadDigest')
        const value = compositeOf(algorithm, [FIRST, LAST])
        const done = await complete(world, algorithm, id, xml, { [header]: `${value}-2` })
        assert.equal(element(done.text, `Checksum${algorithm}`), `${value}-2`, done.text)
        assert.equal(element(done.text, 'ChecksumType'), 'COMPOSITE')
        await shows(world, algorithm, header, `${value}-2`)
        const found = await attributes(world, algorithm)
        const shown = [...found.text.matchAll(/<Checksum[A-Z0-9]+>([^<]*)</g)].map(
          (each) => each[1],
        )
        assert.deepEqual(shown, [value, sum(algorithm, FIRST), sum(algorithm, LAST)])
        assert.equal(element(found.text, 'ChecksumType'), 'COMPOSITE')
        const second = await send(world, 'GET', algorithm, [['partNumber', '2']], {
          'x-amz-checksum-mode': 'ENABLED',
        })
        assert.equal(second.headers[header], sum(algorithm, LAST))
        const range = await send(world, 'GET', algorithm, [], {
          'x-amz-checksum-mode': 'ENABLED',
          range: 'bytes=0-9',
        })
        assert.equal(range.headers[header], undefined)
      }
    },
  },
  {
    name: 'checksum types for each algorithm, and their defaults',
    async run(world) {
      const started = (algorithm?: string, type?: string): Promise<RawResponse> =>
        send(world, 'POST', 'k', [['uploads', '']], {
          ...(algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm }),
          ...(type === undefined ? {} : { 'x-amz-checksum-type': type }),
        })
      for (const algorithm of CHECKSUM_ALGORITHMS) {
        const byDefault = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
        const plain = await started(algorithm)
        assert.equal(plain.headers['x-amz-checksum-algorithm'], algorithm)
        assert.equal(plain.headers['x-amz-checksum-type'], byDefault)
        for (const type of ['FULL_OBJECT', 'COMPOSITE']) {
          const wrong =
            type === 'COMPOSITE' ? algorithm === 'CRC64NVME' : !algorithm.startsWith('CRC')
          const answer = await started(algorithm, type)
          if (wrong) expectRefused(answer, 400, 'InvalidRequest')
          else assert.equal(answer.headers['x-amz-checksum-type'], type)
        }
      }
      expectRefused(await started(undefined, 'FULL_OBJECT'), 400, 'InvalidRequest')
      expectRefused(await started('CRC32', 'PARTIAL'), 400, 'InvalidRequest')
      expectRefused(await started('CRC16'), 400, 'InvalidRequest')
      const plain = await started()
      assert.equal(plain.headers['x-amz-checksum-algorithm'], undefined)
    },
  },
  {
    name: 'copied parts get the checksum that their upload needs',
    async run(world) {
      await send(world, 'PUT', 'source', [], {}, WHOLE)
      for (const [algorithm, more] of [
        ['CRC64NVME', {}],
        ['SHA256', { 'x-amz-checksum-algorithm': 'SHA256' }],
      ] as const) {
        const id = await create(world, 'joined', more)
        const copy = (partNumber: number, range: string): Promise<RawResponse> =>
          putPart(world, 'joined', id, partNumber, new Uint8Array(0), {
            'x-amz-copy-source': `${world.bucket}/source`,
            'x-amz-copy-source-range': `bytes=${range}`,
          })
        const parts = [
          await copy(1, `0-${PART_BYTES - 1}`),
          await copy(2, `${PART_BYTES}-${WHOLE.length - 1}`),
        ]
        const xml = parts.map(({ text }, index) => {
          const name = `Checksum${algorithm}`
          const value = element(text, name)
          assert.equal(value, sum(algorithm, index === 0 ? FIRST : LAST), text)
          assert.equal(element(text, 'ChecksumType'), undefined)
          return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${element(text, 'ETag')}</ETag><${name}>${value}</${name}></Part>`
        })
        const done = await complete(world, 'joined', id, xml.join(''))
        const value =
          algorithm === 'SHA256'
            ? `${compositeOf(algorithm, [FIRST, LAST])}-2`
            : sum(algorithm, WHOLE)
        assert.equal(element(done.text, `Checksum${algorithm}`), value, done.text)
      }
    },
  },
]
