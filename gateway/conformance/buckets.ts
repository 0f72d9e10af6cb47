/** Buckets, sub-resources that clients probe, and requests that must be refused. */

import assert from 'node:assert/strict'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketAclCommand,
  GetBucketLocationCommand,
  GetBucketRequestPaymentCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
} from '@aws-sdk/client-s3'
import { storeObject } from './objects.ts'
import { fails, expectRefused, type ConformanceCase } from './world.ts'

const PROBES: readonly [subResource: string, status: number, code: string | undefined][] = [
  ['versioning', 200, undefined],
  ['location', 200, undefined],
  ['acl', 200, undefined],
  ['logging', 200, undefined],
  ['notification', 200, undefined],
  ['accelerate', 200, undefined],
  ['requestPayment', 200, undefined],
  ['policy', 404, 'NoSuchBucketPolicy'],
  ['policyStatus', 404, 'NoSuchBucketPolicy'],
  ['cors', 404, 'NoSuchCORSConfiguration'],
  ['encryption', 404, 'ServerSideEncryptionConfigurationNotFoundError'],
  ['lifecycle', 404, 'NoSuchLifecycleConfiguration'],
  ['website', 404, 'NoSuchWebsiteConfiguration'],
  ['replication', 404, 'ReplicationConfigurationNotFoundError'],
  ['object-lock', 404, 'ObjectLockConfigurationNotFoundError'],
  ['publicAccessBlock', 404, 'NoSuchPublicAccessBlockConfiguration'],
  ['ownershipControls', 200, undefined],
]

export const BUCKET_CASES: readonly ConformanceCase[] = [
  {
    name: 'create, head, list, delete a bucket',
    async run({ s3, bucket, target }) {
      const Bucket = `${bucket}-b`
      await fails(s3.send(new HeadBucketCommand({ Bucket })), 404, undefined)
      await s3.send(new CreateBucketCommand({ Bucket }))
      const again = s3.send(new CreateBucketCommand({ Bucket }))
      if (target.region === 'us-east-1') await again
      else await fails(again, 409, 'BucketAlreadyOwnedByYou')
      const head = await s3.send(new HeadBucketCommand({ Bucket }))
      assert.equal(head.BucketRegion, target.region)
      const { Buckets, Owner } = await s3.send(new ListBucketsCommand({ Prefix: bucket }))
      assert.deepEqual(
        Buckets?.map((each) => each.Name),
        [bucket, Bucket],
      )
      assert(Owner?.ID)
      const location = await s3.send(new GetBucketLocationCommand({ Bucket }))
      assert.equal(location.LocationConstraint ?? 'us-east-1', target.region)
      await s3.send(new DeleteBucketCommand({ Bucket }))
      await fails(s3.send(new DeleteBucketCommand({ Bucket })), 404, 'NoSuchBucket')
      await s3.send(new CreateBucketCommand({ Bucket }))
      await s3.send(new DeleteBucketCommand({ Bucket }))
    },
  },
  {
    name: 'a bucket with objects cannot be deleted',
    async run(world) {
      await storeObject(world, 'x', 'x')
      const remove = new DeleteBucketCommand({ Bucket: world.bucket })
      await fails(world.s3.send(remove), 409, 'BucketNotEmpty')
    },
  },
  {
    name: 'buckets are listed in pages',
    async run({ s3, bucket }) {
      const extra = ['a', 'b', 'c'].map((letter) => `${bucket}-${letter}`)
      for (const Bucket of extra) await s3.send(new CreateBucketCommand({ Bucket }))
      const seen: (string | undefined)[] = []
      let ContinuationToken: string | undefined
      for (let page = 0; page < 5; page++) {
        const found = await s3.send(
          new ListBucketsCommand({ MaxBuckets: 3, Prefix: bucket, ContinuationToken }),
        )
        seen.push(...(found.Buckets ?? []).map((each) => each.Name))
        ContinuationToken = found.ContinuationToken
        if (ContinuationToken === undefined) break
      }
      assert.deepEqual(seen, [bucket, ...extra])
      for (const Bucket of extra) await s3.send(new DeleteBucketCommand({ Bucket }))
    },
  },
  {
    name: 'names of buckets, locations, missing settings',
    async run(world) {
      const { bucket } = world
      for (const name of [
        'ab',
        'Upper-Case',
        'under_score',
        'dot..dot',
        '192.168.1.1',
        '-start',
        'xn--a',
      ]) {
        expectRefused(
          await world.raw({ method: 'PUT', path: `/${name}` }),
          400,
          'InvalidBucketName',
        )
      }
      const configuration = (inner: string): Buffer[] => [
        Buffer.from(`<CreateBucketConfiguration>${inner}</CreateBucketConfiguration>`),
      ]
      const path = `/${bucket}-x`
      const elsewhere = configuration('<LocationConstraint>mars-1</LocationConstraint>')
      expectRefused(
        await world.raw({ method: 'PUT', path, body: elsewhere }),
        400,
        'InvalidLocationConstraint',
      )
      const kind = configuration('<Bucket><Type>Directory</Type></Bucket>')
      expectRefused(await world.raw({ method: 'PUT', path, body: kind }), 501, 'NotImplemented')
      const lock = { 'x-amz-bucket-object-lock-enabled': 'on' }
      expectRefused(await world.raw({ method: 'PUT', path, headers: lock }), 400, 'InvalidArgument')
      const open = { 'x-amz-acl': 'public-read' }
      expectRefused(
        await world.raw({ method: 'PUT', path, headers: open }),
        400,
        'InvalidBucketAclWithObjectOwnership',
      )
      const odd = { 'x-amz-acl': 'odd' }
      expectRefused(await world.raw({ method: 'PUT', path, headers: odd }), 400, 'InvalidArgument')
      expectRefused(await world.raw({ path }), 404, 'NoSuchBucket')
      const empty = configuration('<LocationConstraint/><Tags/>')
      const made = await world.raw({ method: 'PUT', path, body: empty })
      assert.equal(made.status, 200, made.text)
      assert.equal((await world.raw({ method: 'DELETE', path })).status, 204)
    },
  },
  {
    name: 'probed sub-resources answer as when nothing is configured (S3 rule 5)',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (const [name, status, code] of PROBES) {
        const answer = await world.raw({ path: `/${Bucket}`, query: [[name, '']] })
        expectRefused(answer, status, code)
        const nowhere = await world.raw({ path: `/${Bucket}-none`, query: [[name, '']] })
        expectRefused(nowhere, 404, 'NoSuchBucket')
      }
      const versioning = await s3.send(new GetBucketVersioningCommand({ Bucket }))
      assert.equal(versioning.Status, undefined)
      const payer = await s3.send(new GetBucketRequestPaymentCommand({ Bucket }))
      assert.equal(payer.Payer, 'BucketOwner')
      const { Grants, Owner } = await s3.send(new GetBucketAclCommand({ Bucket }))
      assert.deepEqual(
        Grants?.map((grant) => [grant.Grantee?.ID, grant.Permission]),
        [[Owner?.ID, 'FULL_CONTROL']],
      )
      await storeObject(world, 'k', 'x')
      for (const name of ['policy', 'cors', 'lifecycle', 'website']) {
        const answer = await world.raw({
          method: 'DELETE',
          path: `/${Bucket}`,
          query: [[name, '']],
        })
        assert.equal(answer.status, 204, name)
      }
    },
  },
  {
    name: 'what changes the meaning of a request gets 501 and is not ignored (S3 rule 1)',
    async run(world) {
      const bucket = `/${world.bucket}`
      const key = `${bucket}/k`
      await storeObject(world, 'k', 'old')
      for (const name of ['accelerate', 'replication']) {
        const answer = await world.raw({ method: 'PUT', path: bucket, query: [[name, '']] })
        expectRefused(answer, 501, 'NotImplemented')
      }
      const encryption = await world.raw({ method: 'PUT', path: key, query: [['encryption', '']] })
      expectRefused(encryption, 501, 'NotImplemented')
      const headers: readonly [string, string][] = [
        ['x-amz-server-side-encryption', 'aws:kms:dsse'],
        ['x-amz-write-offset-bytes', '3'],
        ['if-modified-since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      ]
      for (const [name, value] of headers) {
        const answer = await world.raw({
          method: 'PUT',
          path: key,
          headers: { [name]: value },
          body: [Buffer.from('new')],
        })
        expectRefused(answer, 501, 'NotImplemented')
      }
      const storage = { 'x-amz-storage-class': 'PAPER' }
      const paper = await world.raw({ method: 'PUT', path: key, headers: storage })
      expectRefused(paper, 400, 'InvalidStorageClass')
      const deleted = await world.raw({ method: 'DELETE', path: key, query: [['acl', '']] })
      expectRefused(deleted, 405, 'MethodNotAllowed')
      assert.equal(deleted.headers['allow'], 'GET, PUT')
      assert.equal((await world.raw({ path: key })).text, 'old')
    },
  },
  {
    name: 'what AWS ignores is ignored (S3 rule 1)',
    async run(world) {
      const bucket = `/${world.bucket}`
      const key = `${bucket}/k`
      const unknown: readonly [string, string][] = [
        ['v', '2'],
        ['utm_source', 'x'],
        ['x-anything', 'y z'],
        ['utm_source', 'again'],
      ]
      const headers = {
        'x-amz-te': 'append-md5',
        'x-amz-unheard-of': '1',
        'x-amz-checksum-crc32': 'AAAAAA==',
      }
      const written = await world.raw({
        method: 'PUT',
        path: key,
        query: unknown,
        headers: { 'x-amz-tagging': '', 'x-amz-checksum-type': 'FULL_OBJECT', 'x-amz-te': 'x' },
        body: [Buffer.from('new')],
      })
      assert.equal(written.status, 200, written.text)
      const read = await world.raw({ path: key, query: unknown, headers })
      assert.equal(`${read.status} ${read.text}`, '200 new')
      const listing = await world.raw({
        path: bucket,
        query: [
          ['list-type', '2'],
          ['metadata', 'true'],
          ['continuation-token', ''],
          ['start-after', ''],
          ['encoding-type', ''],
          ['max-keys', ''],
          ['prefix', ''],
        ],
      })
      assert.equal(listing.status, 200, listing.text)
      assert.match(listing.text, /<Key>k<\/Key>/)
      assert.match(listing.text, /<ContinuationToken><\/ContinuationToken>/)
      const removed = await world.raw({ method: 'DELETE', path: key, query: unknown })
      assert.equal(removed.status, 204, removed.text)
    },
  },
  {
    name: 'expected bucket owner',
    async run(world) {
      const path = `/${world.bucket}`
      const wrong = { 'x-amz-expected-bucket-owner': '000000000000' }
      expectRefused(await world.raw({ path, headers: wrong }), 403, 'AccessDenied')
      const { text } = await world.raw({ path, query: [['acl', '']] })
      const owner = /<ID>([^<]*)</.exec(text)?.[1] ?? ''
      const right = { 'x-amz-expected-bucket-owner': owner }
      assert.equal((await world.raw({ path, headers: right })).status, 200)
    },
  },
  {
    name: 'errors have ids and a resource, and no body for HEAD (S3 rule 6)',
    async run(world) {
      const path = `/${world.bucket}/none`
      const answer = await world.raw({ path })
      expectRefused(answer, 404, 'NoSuchKey')
      assert.equal(answer.headers['content-type'], 'application/xml')
      const id = answer.headers['x-amz-request-id'] ?? ''
      assert.match(id, /^[0-9A-F]{16}$/)
      assert(answer.headers['x-amz-id-2'])
      assert(answer.text.includes(`<RequestId>${id}</RequestId>`))
      assert(answer.text.includes(`<Resource>${path}</Resource>`))
      const head = await world.raw({ method: 'HEAD', path })
      assert.equal(`${head.status} [${head.text}]`, '404 []')
      const twice = await world.raw({ path })
      assert.notEqual(twice.headers['x-amz-request-id'], id)
    },
  },
]
