/** Writes to versioned keys: conditions, multipart uploads, copies of old versions, removal of many. */

import assert from 'node:assert/strict'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { fetchObject } from './objects.ts'
import { putVersion, setVersioning } from './versions.ts'
import { fails, NO_VERSION, expectRefused, type ConformanceCase } from './world.ts'

export const VERSION_WRITE_CASES: readonly ConformanceCase[] = [
  {
    name: 'conditions on versioned keys are compared with the current version',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const Key = 'k'
      const first = await s3.send(
        new PutObjectCommand({ Bucket, Key, Body: '1', IfNoneMatch: '*' }),
      )
      const second = await s3.send(
        new PutObjectCommand({ Bucket, Key, Body: '2', IfMatch: first.ETag }),
      )
      const stale = new PutObjectCommand({ Bucket, Key, Body: '3', IfMatch: first.ETag })
      await fails(s3.send(stale), 412, 'PreconditionFailed')
      const fresh = new PutObjectCommand({ Bucket, Key, Body: '3', IfNoneMatch: '*' })
      await fails(s3.send(fresh), 412, 'PreconditionFailed')
      await fails(
        s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: first.ETag })),
        412,
        'PreconditionFailed',
      )
      const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: second.ETag }))
      assert.equal(marker.DeleteMarker, true)
      // When the current version is a delete marker, there is no object.
      await fails(
        s3.send(new PutObjectCommand({ Bucket, Key, Body: '3', IfMatch: second.ETag })),
        404,
        'NoSuchKey',
      )
      await fails(
        s3.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: '*' })),
        412,
        'PreconditionFailed',
      )
      const third = await s3.send(fresh)
      assert.equal(await fetchObject(world, Key), '3')
      // Removing the current version makes the one before it current, also for conditions.
      await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId: third.VersionId }))
      await s3.send(fresh)
    },
  },
  {
    name: 'old versions are copied to other keys and into parts',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const one = await putVersion(world, 'a b', 'one')
      await putVersion(world, 'a b', 'two')
      const { VersionId: marker } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'a b' }))
      const source = (id?: string): string =>
        `${Bucket}/a%20b${id === undefined ? '' : `?versionId=${id}`}`
      const copy = (CopySource: string) => new CopyObjectCommand({ Bucket, Key: 'c', CopySource })
      const done = await s3.send(copy(source(one)))
      assert.equal(done.CopySourceVersionId, one)
      assert(done.VersionId)
      assert.equal(await fetchObject(world, 'c'), 'one')
      await fails(s3.send(copy(source())), 404, 'NoSuchKey')
      await fails(s3.send(copy(source(marker))), 400, 'InvalidRequest')
      await fails(s3.send(copy(source(NO_VERSION))), 404, 'NoSuchVersion')
      for (const id of ['', 'abc']) await fails(s3.send(copy(source(id))), 400, 'InvalidArgument')
      const upload = { Bucket, Key: 'parts' }
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
      const part = await s3.send(
        new UploadPartCopyCommand({
          ...upload,
          UploadId,
          PartNumber: 1,
          CopySource: source(one),
        }),
      )
      assert.equal(part.CopySourceVersionId, one)
      const { ETag } = part.CopyPartResult ?? {}
      const complete = new CompleteMultipartUploadCommand({
        ...upload,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      })
      const made = await s3.send(complete)
      assert(made.VersionId)
      assert.equal(await fetchObject(world, 'parts', { VersionId: made.VersionId }), 'one')
      assert.equal(await fetchObject(world, 'c', { VersionId: done.VersionId }), 'one')
    },
  },
  {
    name: 'completing an upload twice makes one version',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const below = await putVersion(world, 'k', 'below')
      const upload = { Bucket, Key: 'k' }
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
      const { ETag } = await s3.send(
        new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'parts' }),
      )
      const complete = new CompleteMultipartUploadCommand({
        ...upload,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      })
      const first = await s3.send(complete)
      const second = await s3.send(complete)
      assert(first.VersionId)
      assert.equal(second.VersionId, first.VersionId)
      await s3.send(new DeleteObjectCommand({ ...upload, VersionId: first.VersionId }))
      assert.equal(await fetchObject(world, 'k', { VersionId: below }), 'below')
      assert.equal(await fetchObject(world, 'k'), 'below')
    },
  },
  {
    name: 'DeleteObjects with versions',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const one = await putVersion(world, 'a', '1')
      const two = await putVersion(world, 'a', '2')
      await putVersion(world, 'b', '1')
      const { Deleted, Errors } = await s3.send(
        new DeleteObjectsCommand({
          Bucket,
          Delete: {
            Objects: [
              { Key: 'a', VersionId: one },
              { Key: 'b' },
              { Key: 'b', VersionId: NO_VERSION },
              { Key: 'b', VersionId: 'odd' },
              { Key: 'none' },
            ],
          },
        }),
      )
      assert.deepEqual(
        Errors?.map((entry) => [entry.Key, entry.VersionId, entry.Code]),
        [['b', 'odd', 'NoSuchVersion']],
      )
      const entries = new Map(
        Deleted?.map((entry) => [`${entry.Key} ${entry.VersionId ?? ''}`, entry]),
      )
      assert.deepEqual([...entries.keys()].sort(), [`a ${one}`, `b `, `b ${NO_VERSION}`, 'none '])
      assert.equal(entries.get(`a ${one}`)?.DeleteMarker, undefined)
      const marker = entries.get('b ')
      assert.equal(marker?.DeleteMarker, true)
      assert(marker.DeleteMarkerVersionId)
      assert.equal(await fetchObject(world, 'a', { VersionId: two }), '2')
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }))
      assert.deepEqual(
        Contents?.map((entry) => entry.Key),
        ['a'],
      )
      const undone = await s3.send(
        new DeleteObjectsCommand({
          Bucket,
          Delete: { Objects: [{ Key: 'b', VersionId: marker.DeleteMarkerVersionId }] },
        }),
      )
      assert.deepEqual(undone.Deleted, [
        {
          Key: 'b',
          VersionId: marker.DeleteMarkerVersionId,
          DeleteMarker: true,
          DeleteMarkerVersionId: marker.DeleteMarkerVersionId,
        },
      ])
      assert.equal(await fetchObject(world, 'b'), '1')
    },
  },
  {
    name: 'a bucket with old versions or delete markers is not empty',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const VersionId = await putVersion(world, 'k', 'x')
      const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
      const { KeyCount } = await s3.send(new ListObjectsV2Command({ Bucket }))
      assert.equal(KeyCount, 0)
      const remove = new DeleteBucketCommand({ Bucket })
      await fails(s3.send(remove), 409, 'BucketNotEmpty')
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId }))
      await fails(s3.send(remove), 409, 'BucketNotEmpty')
      assert.equal((await putVersion(world, 'k', 'y')) === VersionId, false)
      const { VersionId: MarkerId } = marker
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: MarkerId }))
      assert.equal(await fetchObject(world, 'k'), 'y')
    },
  },
  {
    name: 'malformed versioning configurations change nothing',
    async run(world) {
      const path = `/${world.bucket}`
      const query: [string, string][] = [['versioning', '']]
      const inner: readonly [text: string, status: number, code: string][] = [
        ['', 400, 'IllegalVersioningConfigurationException'],
        ['<Status>On</Status>', 400, 'MalformedXML'],
        ['<Status>Enabled</Status><Status>Enabled</Status>', 400, 'MalformedXML'],
        ['<Status>Enabled</Status><Odd/>', 400, 'MalformedXML'],
        ['<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>', 501, 'NotImplemented'],
        ['<Status>Enabled</Status><MfaDelete>Odd</MfaDelete>', 400, 'MalformedXML'],
        ['<MfaDelete>Disabled</MfaDelete>', 400, 'IllegalVersioningConfigurationException'],
        ['<__proto__>Enabled</__proto__>', 400, 'MalformedXML'],
      ]
      const put = (text: string) =>
        world.raw({ method: 'PUT', path, query, body: [Buffer.from(text)] })
      const root = 'VersioningConfiguration'
      for (const [text, status, code] of inner) {
        expectRefused(await put(`<${root}>${text}</${root}>`), status, code)
      }
      expectRefused(await put(''), 400, 'MissingRequestBodyError')
      expectRefused(await put('<Other><Status>Enabled</Status></Other>'), 400, 'MalformedXML')
      expectRefused(await put(`<!DOCTYPE x><${root}/>`), 400, 'MalformedXML')
      expectRefused(await put('not xml'), 400, 'MalformedXML')
      const found = await world.raw({ path, query })
      assert(!found.text.includes('<Status>'), found.text)
      const accepted = '<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>'
      assert.equal((await put(`<${root}>${accepted}</${root}>`)).status, 200)
    },
  },
]
