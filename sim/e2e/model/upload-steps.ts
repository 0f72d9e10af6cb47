/** Draws requests about multipart uploads. All parts are below 5 MiB, so only an upload of one part can be completed. */

import { xmlTexts } from '../../../bench/harness/s3.ts'
import type { SmallRandom } from '../../../protocol/iam/testing/cases.ts'
import { describing, drawBody, drawDescribed } from './draws.ts'
import { md5, multipartEtag, type ModelBucket, type ModelUpload } from './objects-model.ts'
import { applyWrite } from './object-steps.ts'
import { unlike, type ModelStep } from './step.ts'

export function createUploadStep(random: SmallRandom, bucket: ModelBucket, key: string): ModelStep {
  const described = drawDescribed(random)
  return {
    name: 'CreateMultipartUpload',
    request: {
      bucket: bucket.name,
      key,
      method: 'POST',
      query: { uploads: '' },
      headers: describing(described),
    },
    status: 200,
    check: (reply) =>
      unlike(xmlTexts(reply.body.toString('utf8'), 'UploadId').length, 1, 'UploadIds'),
    apply: (reply) => {
      const [id = ''] = xmlTexts(reply.body.toString('utf8'), 'UploadId')
      bucket.uploads.set(id, { ...described, key, parts: new Map() })
    },
  }
}

/** Something with an open upload: a part, a list of its parts, its completion or its end. */
export function uploadStep(
  random: SmallRandom,
  bucket: ModelBucket,
  id: string,
  upload: ModelUpload,
): ModelStep {
  switch (random.below(7)) {
    case 0:
    case 1:
    case 2:
      return partStep(random, bucket, id, upload)
    case 3:
      return listPartsStep(bucket, id, upload)
    case 4:
    case 5:
      return completeStep(random, bucket, id, upload)
    default:
      return {
        name: 'AbortMultipartUpload',
        request: {
          bucket: bucket.name,
          key: upload.key,
          method: 'DELETE',
          query: { uploadId: id },
        },
        status: 204,
        apply: () => void bucket.uploads.delete(id),
      }
  }
}

/** A request about an upload that was completed or aborted. */
export function goneUploadStep(bucket: ModelBucket, key: string, id: string): ModelStep {
  return {
    name: 'ListParts',
    request: { bucket: bucket.name, key, method: 'GET', query: { uploadId: id } },
    status: 404,
    code: 'NoSuchUpload',
  }
}

function partStep(
  random: SmallRandom,
  bucket: ModelBucket,
  id: string,
  upload: ModelUpload,
): ModelStep {
  const body = drawBody(random)
  const number = random.pick([1, 1, 2, 7] as const)
  return {
    name: 'UploadPart',
    request: {
      bucket: bucket.name,
      key: upload.key,
      method: 'PUT',
      query: { uploadId: id, partNumber: String(number) },
      body,
    },
    status: 200,
    headers: { etag: `"${md5(body)}"` },
    apply: () => void upload.parts.set(number, body),
  }
}

function listPartsStep(bucket: ModelBucket, id: string, upload: ModelUpload): ModelStep {
  const parts = partsOf(upload)
  return {
    name: 'ListParts',
    request: { bucket: bucket.name, key: upload.key, method: 'GET', query: { uploadId: id } },
    status: 200,
    check: (reply) => {
      const xml = reply.body.toString('utf8')
      return (
        unlike(
          xmlTexts(xml, 'PartNumber').map(Number),
          parts.map(([number]) => number),
          'parts',
        ) ??
        unlike(
          xmlTexts(xml, 'ETag'),
          parts.map(([, body]) => `"${md5(body)}"`),
          'ETags',
        )
      )
    },
  }
}

/** Completes with all parts, with a part that does not exist, or in the wrong order. */
function completeStep(
  random: SmallRandom,
  bucket: ModelBucket,
  id: string,
  upload: ModelUpload,
): ModelStep {
  const { key } = upload
  const parts = partsOf(upload)
  const named = parts.map(([number, body]) => ({ number, etag: md5(body) }))
  const isWrong = random.chance(0.2)
  // Alone: which of two errors comes first is not documented.
  if (isWrong) named.splice(0, named.length, { number: 9, etag: md5(Buffer.from('none')) })
  const isTurned = !isWrong && named.length > 1 && random.chance(0.3)
  if (isTurned) named.reverse()
  const list = named.map(
    ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag></Part>`,
  )
  const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`)
  const request = {
    bucket: bucket.name,
    key,
    method: 'POST' as const,
    query: { uploadId: id },
    body,
  }
  const base = { name: 'CompleteMultipartUpload', request }
  if (named.length === 0) return { ...base, status: 400, code: 'MalformedXML' }
  if (isTurned) return { ...base, status: 400, code: 'InvalidPartOrder' }
  if (isWrong) return { ...base, status: 400, code: 'InvalidPart' }
  if (named.length > 1) return { ...base, status: 400, code: 'EntityTooSmall' }
  const bodies = parts.map(([, bytes]) => bytes)
  const etag = multipartEtag(bodies)
  return {
    ...base,
    status: 200,
    check: (reply) => unlike(xmlTexts(reply.body.toString('utf8'), 'ETag'), [`"${etag}"`], 'ETag'),
    apply: (reply) => {
      const content = { body: Buffer.concat(bodies), etag, described: upload }
      applyWrite({ bucket, key }, content, reply.headers['x-amz-version-id'])
      bucket.uploads.delete(id)
    },
  }
}

function partsOf(upload: ModelUpload): [number, Buffer][] {
  return [...upload.parts].sort(([a], [b]) => a - b)
}
