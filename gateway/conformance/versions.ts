/** Versioning from enabling to restoring: ids, null versions, delete markers, copies, conditions. */

import assert from 'node:assert/strict'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { fetchObject } from './objects.ts'
import {
  fails,
  NO_VERSION,
  expectRefused,
  type ConformanceCase,
  type ConformanceWorld,
} from './world.ts'

export async function setVersioning(
  { s3, bucket: Bucket }: ConformanceWorld,
  Status: 'Enabled' | 'Suspended',
): Promise<void> {
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
}

/** Stores an object. Resolves with the id of the new version, '' when the answer names none. */
export async function putVersion(
  world: ConformanceWorld,
  Key: string,
  Body: string,
): Promise<string> {
  const { s3, bucket: Bucket } = world
  const { VersionId } = await s3.send(new PutObjectCommand({ Bucket, Key, Body }))
  return VersionId ?? ''
}

export const VERSION_CASES: readonly ConformanceCase[] = [
  {
    name: 'versions from enabling to restoring',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'dir/k'
      assert.equal(await putVersion(world, Key, 'zero'), '')
      await setVersioning(world, 'Enabled')
      const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket }))
      assert.equal(Status, 'Enabled')
      const one = await putVersion(world, Key, 'one')
      const two = await putVersion(world, Key, 'two')
      assert.equal(new Set(['', 'null', one, two]).size, 4)
      assert.equal(await fetchObject(world, Key), 'two')
      assert.equal(await fetchObject(world, Key, { VersionId: one }), 'one')
      assert.equal(await fetchObject(world, Key, { VersionId: 'null' }), 'zero')
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key, VersionId: one }))
      assert.equal(`${head.VersionId} ${head.ContentLength}`, `${one} 3`)
      assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key }))).VersionId, two)

      const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key }))
      assert.equal(marker.DeleteMarker, true)
      assert(marker.VersionId)
      await fails(s3.send(new GetObjectCommand({ Bucket, Key })), 404, 'NoSuchKey')
      assert.equal(await fetchObject(world, Key, { VersionId: two }), 'two')
      // Deleting the marker brings the object back.
      const undone = await s3.send(
        new DeleteObjectCommand({ Bucket, Key, VersionId: marker.VersionId }),
      )
      assert.equal(`${undone.DeleteMarker} ${undone.VersionId}`, `true ${marker.VersionId}`)
      assert.equal(await fetchObject(world, Key), 'two')
      // So does copying an old version to the same key.
      const CopySource = `${Bucket}/${Key}?versionId=${one}`
      const restored = await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource }))
      assert.equal(restored.CopySourceVersionId, one)
      assert(restored.VersionId !== undefined && ![one, two].includes(restored.VersionId))
      assert.equal(await fetchObject(world, Key), 'one')
      assert.equal(await fetchObject(world, Key, { VersionId: two }), 'two')

      const gone = await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId: one }))
      assert.equal(`${gone.DeleteMarker} ${gone.VersionId}`, `undefined ${one}`)
      await fails(
        s3.send(new GetObjectCommand({ Bucket, Key, VersionId: one })),
        404,
        'NoSuchVersion',
      )
      assert.equal(await fetchObject(world, Key), 'one')
    },
  },
  {
    name: 'deleting the current version makes the one before it current',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const ids: string[] = []
      for (const text of ['a', 'b', 'c']) ids.push(await putVersion(world, 'k', text))
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[2] }))
      assert.equal(await fetchObject(world, 'k'), 'b')
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[0] }))
      assert.equal(await fetchObject(world, 'k'), 'b')
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[1] }))
      await fails(s3.send(new GetObjectCommand({ Bucket, Key: 'k' })), 404, 'NoSuchKey')
      // The key is gone for good: writing again begins with no older versions.
      const again = await putVersion(world, 'k', 'd')
      assert(!ids.includes(again))
      assert.equal(await fetchObject(world, 'k'), 'd')
    },
  },
  {
    name: 'suspended buckets have one null version, and older versions stay readable',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const one = await putVersion(world, 'k', 'one')
      await setVersioning(world, 'Suspended')
      const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket }))
      assert.equal(Status, 'Suspended')
      assert.equal(await putVersion(world, 'k', 'null one'), 'null')
      assert.equal(await putVersion(world, 'k', 'null two'), 'null')
      assert.equal(await fetchObject(world, 'k', { VersionId: 'null' }), 'null two')
      assert.equal(await fetchObject(world, 'k', { VersionId: one }), 'one')
      // A DELETE without a version replaces the null version with a marker that is the null version.
      const marker = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
      assert.equal(`${marker.DeleteMarker} ${marker.VersionId}`, 'true null')
      const gone = new GetObjectCommand({ Bucket, Key: 'k', VersionId: 'null' })
      await fails(s3.send(gone), 405, 'MethodNotAllowed')
      await setVersioning(world, 'Enabled')
      const two = await putVersion(world, 'k', 'two')
      await fails(s3.send(gone), 405, 'MethodNotAllowed')
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: 'null' }))
      await fails(s3.send(gone), 404, 'NoSuchVersion')
      assert.equal(await fetchObject(world, 'k'), 'two')
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: two }))
      assert.equal(await fetchObject(world, 'k'), 'one')
    },
  },
  {
    name: 'headers of versions and delete markers',
    async run(world) {
      const path = `/${world.bucket}/k`
      const plain = await world.raw({ method: 'PUT', path, body: [Buffer.from('x')] })
      assert.equal(plain.headers['x-amz-version-id'], undefined)
      assert.equal((await world.raw({ path })).headers['x-amz-version-id'], undefined)
      const removed = await world.raw({ method: 'DELETE', path })
      assert.equal(removed.headers['x-amz-version-id'], undefined)
      assert.equal(removed.headers['x-amz-delete-marker'], undefined)
      await setVersioning(world, 'Enabled')
      const made = await world.raw({ method: 'PUT', path, body: [Buffer.from('x')] })
      const id = made.headers['x-amz-version-id'] ?? ''
      assert.match(id, /^[\w-]{16,}$/)
      const current = await world.raw({ path })
      assert.equal(current.headers['x-amz-version-id'], id)
      assert.equal(current.headers['x-amz-delete-marker'], undefined)
      const etag = { 'if-none-match': current.headers['etag'] ?? '' }
      const same = await world.raw({ path, headers: etag })
      assert.equal(`${same.status} ${same.headers['x-amz-version-id']}`, `304 ${id}`)

      const deleted = await world.raw({ method: 'DELETE', path })
      const marker = deleted.headers['x-amz-version-id'] ?? ''
      assert.equal(`${deleted.status} ${deleted.headers['x-amz-delete-marker']}`, '204 true')
      const query: [string, string][] = [['versionId', marker]]
      for (const method of ['GET', 'HEAD']) {
        const body = method === 'GET'
        const missing = await world.raw({ method, path })
        expectRefused(missing, 404, body ? 'NoSuchKey' : undefined)
        assert.equal(missing.headers['x-amz-delete-marker'], 'true')
        assert.equal(missing.headers['x-amz-version-id'], marker)
        const named = await world.raw({ method, path, query })
        expectRefused(named, 405, body ? 'MethodNotAllowed' : undefined)
        assert.equal(named.headers['x-amz-delete-marker'], 'true')
        assert.equal(named.headers['x-amz-version-id'], marker)
        assert.equal(named.headers['allow'], 'DELETE')
        assert(Number.isFinite(Date.parse(named.headers['last-modified'] ?? '')))
      }
      // A marker after a marker, and a marker of a key that never existed: each is a version of its own.
      const second = await world.raw({ method: 'DELETE', path })
      assert.notEqual(second.headers['x-amz-version-id'], marker)
      const nothing = await world.raw({ method: 'DELETE', path: `/${world.bucket}/never` })
      assert.equal(nothing.headers['x-amz-delete-marker'], 'true')
    },
  },
  {
    name: 'version ids that are malformed, unknown or of other keys',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const other = await putVersion(world, 'other', 'x')
      await putVersion(world, 'k', 'y')
      const path = `/${Bucket}/k`
      for (const id of ['', 'abc', '../x', '%00', '__proto__', 'a'.repeat(2000), `${other}0`]) {
        const query: [string, string][] = [['versionId', id]]
        for (const method of ['GET', 'DELETE']) {
          expectRefused(await world.raw({ method, path, query }), 400, 'InvalidArgument')
        }
        expectRefused(await world.raw({ method: 'HEAD', path, query }), 400, undefined)
      }
      for (const VersionId of [other, NO_VERSION, 'null']) {
        const named = { Bucket, Key: 'k', VersionId }
        await fails(s3.send(new GetObjectCommand(named)), 404, 'NoSuchVersion')
        await fails(s3.send(new GetObjectTaggingCommand(named)), 404, 'NoSuchVersion')
        const done = await s3.send(new DeleteObjectCommand(named))
        assert.equal(done.DeleteMarker, undefined)
      }
      assert.equal(await fetchObject(world, 'k'), 'y')
      assert.equal(await fetchObject(world, 'other'), 'x')
      const nowhere = { Bucket, Key: 'never', VersionId: NO_VERSION }
      await fails(s3.send(new GetObjectCommand(nowhere)), 404, 'NoSuchVersion')
      await s3.send(new DeleteObjectCommand(nowhere))
    },
  },
  {
    name: 'attributes, tagging and ACL of a version',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const VersionId = await putVersion(world, 'k', 'old')
      await putVersion(world, 'k', 'newer')
      const named = { Bucket, Key: 'k', VersionId }
      const attributes = await s3.send(
        new GetObjectAttributesCommand({ ...named, ObjectAttributes: ['ObjectSize'] }),
      )
      assert.equal(`${attributes.VersionId} ${attributes.ObjectSize}`, `${VersionId} 3`)
      const tagging = await s3.send(new GetObjectTaggingCommand(named))
      assert.equal(tagging.VersionId, VersionId)
      const query: [string, string][] = [
        ['acl', ''],
        ['versionId', VersionId],
      ]
      assert.equal((await world.raw({ path: `/${Bucket}/k`, query })).status, 200)
      const range = await world.raw({
        path: `/${Bucket}/k`,
        query: [['versionId', VersionId]],
        headers: { range: 'bytes=1-' },
      })
      assert.equal(`${range.status} ${range.text}`, '206 ld')
    },
  },
]
