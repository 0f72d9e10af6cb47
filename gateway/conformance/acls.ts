/** Ownership of objects, and access control lists of buckets and objects. */

import assert from 'node:assert/strict'
import {
  expectRefused,
  sendUnsigned,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

const OWNERSHIP: readonly [string, string][] = [['ownershipControls', '']]
const ACL: [string, string][] = [['acl', '']]

function setOwnership(world: ConformanceWorld, value: string): Promise<RawResponse> {
  const text = `<OwnershipControls><Rule><ObjectOwnership>${value}</ObjectOwnership></Rule></OwnershipControls>`
  const path = `/${world.bucket}`
  return world.raw({ method: 'PUT', path, query: OWNERSHIP, body: [Buffer.from(text)] })
}

function setAcl(
  world: ConformanceWorld,
  headers: Record<string, string>,
  text = '',
): Promise<RawResponse> {
  const path = `/${world.bucket}`
  return world.raw({ method: 'PUT', path, query: ACL, headers, body: [Buffer.from(text)] })
}

const BODY = Buffer.from('listed')

async function readStatus(world: ConformanceWorld, url: string): Promise<number> {
  return (await sendUnsigned(world.target.endpoint, { url })).status
}

async function listStatus(world: ConformanceWorld): Promise<number> {
  const url = `/${world.bucket}?list-type=2`
  return (await sendUnsigned(world.target.endpoint, { url })).status
}

export const ACL_CASES: readonly ConformanceCase[] = [
  {
    name: 'ownership controls: the default, each rule, and none',
    async run(world) {
      const path = `/${world.bucket}`
      const shown = async (): Promise<string> =>
        /<ObjectOwnership>(\w+)</.exec((await world.raw({ path, query: OWNERSHIP })).text)?.[1] ??
        ''
      assert.equal(await shown(), 'BucketOwnerEnforced')
      for (const rule of ['ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced']) {
        assert.equal((await setOwnership(world, rule)).status, 200)
        assert.equal(await shown(), rule)
      }
      expectRefused(await setOwnership(world, 'Nobody'), 400, 'MalformedXML')
      const removed = await world.raw({ method: 'DELETE', path, query: OWNERSHIP })
      assert.equal(removed.status, 204)
      const missing = await world.raw({ path, query: OWNERSHIP })
      expectRefused(missing, 404, 'OwnershipControlsNotFoundError')
      assert.equal((await setAcl(world, { 'x-amz-acl': 'private' })).status, 200)
    },
  },
  {
    name: 'a bucket with BucketOwnerEnforced has no lists',
    async run(world) {
      for (const name of ['private', 'public-read']) {
        const answer = await setAcl(world, { 'x-amz-acl': name })
        expectRefused(answer, 400, 'AccessControlListNotSupported')
      }
      const path = `/${world.bucket}/k`
      const write = (headers: Record<string, string>): Promise<RawResponse> =>
        world.raw({ method: 'PUT', path, headers, body: [Buffer.from('x')] })
      const open = await write({ 'x-amz-acl': 'public-read' })
      expectRefused(open, 400, 'AccessControlListNotSupported')
      for (const name of ['private', 'bucket-owner-full-control']) {
        assert.equal((await write({ 'x-amz-acl': name })).status, 200)
      }
      // Clients put back what they have read.
      const shown = await world.raw({ path, query: ACL })
      const putBack = (text: string): Promise<RawResponse> =>
        world.raw({ method: 'PUT', path, query: ACL, body: [Buffer.from(text)] })
      assert.equal((await putBack(shown.text)).status, 200)
      const less = await putBack(shown.text.replace('FULL_CONTROL', 'READ'))
      expectRefused(less, 400, 'AccessControlListNotSupported')
    },
  },
  {
    name: 'lists of buckets let in whom they name, within the public access block',
    async run(world) {
      const path = `/${world.bucket}`
      assert.equal((await setOwnership(world, 'ObjectWriter')).status, 200)
      assert.equal(await listStatus(world), 403)
      assert.equal((await setAcl(world, { 'x-amz-acl': 'public-read' })).status, 200)
      assert.equal(await listStatus(world), 200)
      expectRefused(
        await setOwnership(world, 'BucketOwnerEnforced'),
        400,
        'InvalidBucketAclWithObjectOwnership',
      )
      const block = (name: string): Promise<RawResponse> =>
        world.raw({
          method: 'PUT',
          path,
          query: [['publicAccessBlock', '']],
          body: [
            Buffer.from(
              `<PublicAccessBlockConfiguration><${name}>true</${name}></PublicAccessBlockConfiguration>`,
            ),
          ],
        })
      assert.equal((await block('IgnorePublicAcls')).status, 200)
      assert.equal(await listStatus(world), 403)
      assert.equal((await block('BlockPublicAcls')).status, 200)
      assert.equal(await listStatus(world), 200)
      expectRefused(await setAcl(world, { 'x-amz-acl': 'public-read' }), 403, 'AccessDenied')
      assert.equal((await setAcl(world, { 'x-amz-acl': 'private' })).status, 200)
      assert.equal(await listStatus(world), 403)
    },
  },
  {
    name: 'a list is one canned name, or headers, or a document',
    async run(world) {
      assert.equal((await setOwnership(world, 'BucketOwnerPreferred')).status, 200)
      const { text } = await world.raw({ path: `/${world.bucket}`, query: ACL })
      const everyone = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
      expectRefused(await setAcl(world, {}), 400, 'MissingSecurityHeader')
      const both = { 'x-amz-acl': 'private', 'x-amz-grant-read': everyone }
      expectRefused(await setAcl(world, both), 400, 'InvalidRequest')
      expectRefused(await setAcl(world, { 'x-amz-acl': 'private' }, text), 400, 'UnexpectedContent')
      const wrong: readonly [string, string][] = [
        ['id=000000000000', 'InvalidArgument'],
        ['uri="http://example.org"', 'InvalidArgument'],
        ['nobody', 'InvalidArgument'],
        ['emailAddress="a@example.org"', 'UnresolvableGrantByEmailAddress'],
      ]
      for (const [value, code] of wrong) {
        expectRefused(await setAcl(world, { 'x-amz-grant-read': value }), 400, code)
      }
      expectRefused(await setAcl(world, {}, '<AccessControlPolicy/>'), 400, 'MalformedACLError')
      const other = text.replace(/<Owner><ID>\d+/, '<Owner><ID>000000000000')
      expectRefused(await setAcl(world, {}, other), 403, 'AccessDenied')
      assert.equal((await setAcl(world, {}, text)).status, 200)
      assert.equal((await setAcl(world, { 'x-amz-grant-read': everyone })).status, 200)
      const shown = await world.raw({ path: `/${world.bucket}`, query: ACL })
      assert.match(shown.text, /global\/AllUsers<\/URI><\/Grantee><Permission>READ</)
      assert.doesNotMatch(shown.text, /FULL_CONTROL/)
      assert.equal((await setAcl(world, {}, text)).status, 200)
    },
  },
  {
    name: 'objects, copies and uploads have lists of their own, and those of sources are not copied',
    async run(world) {
      assert.equal((await setOwnership(world, 'ObjectWriter')).status, 200)
      const path = `/${world.bucket}/listed`
      const publicRead = { 'x-amz-acl': 'public-read' }
      const put = await world.raw({ method: 'PUT', path, headers: publicRead, body: [BODY] })
      assert.equal(put.status, 200)
      assert.equal(await readStatus(world, path), 200)
      const source = { 'x-amz-copy-source': path }
      const copy = `${path}-copy`
      assert.equal((await world.raw({ method: 'PUT', path: copy, headers: source })).status, 200)
      assert.equal(await readStatus(world, copy), 403)
      const both = { ...source, ...publicRead }
      assert.equal((await world.raw({ method: 'PUT', path: copy, headers: both })).status, 200)
      assert.equal(await readStatus(world, copy), 200)
      // The object's tags and its list change apart from each other, and the ETag stays.
      assert.equal((await world.raw({ method: 'PUT', path, headers: {}, query: ACL })).status, 400)
      const acl = await world.raw({ path, query: ACL })
      assert.match(acl.text, /global\/AllUsers<\/URI><\/Grantee><Permission>READ</)
      const owners = acl.text.replace(/<Grant><Grantee[^>]*"Group".*?<\/Grant>/, '')
      const body = [Buffer.from(owners)]
      assert.equal((await world.raw({ method: 'PUT', path, query: ACL, body })).status, 200)
      assert.equal(await readStatus(world, path), 403)
      assert.equal((await world.raw({ path })).headers['etag'], put.headers['etag'])
    },
  },
  {
    name: 'the list of an upload is that of its object',
    async run(world) {
      assert.equal((await setOwnership(world, 'BucketOwnerPreferred')).status, 200)
      const path = `/${world.bucket}/listed`
      const created = await world.raw({
        method: 'POST',
        path,
        query: [['uploads', '']],
        headers: { 'x-amz-acl': 'public-read' },
      })
      const uploadId = /<UploadId>([^<]+)</.exec(created.text)?.[1] ?? ''
      const part = await world.raw({
        method: 'PUT',
        path,
        query: [
          ['partNumber', '1'],
          ['uploadId', uploadId],
        ],
        body: [BODY],
      })
      const text = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag'] as string}</ETag></Part></CompleteMultipartUpload>`
      const query: [string, string][] = [['uploadId', uploadId]]
      const body = [Buffer.from(text)]
      assert.equal((await world.raw({ method: 'POST', path, query, body })).status, 200)
      assert.equal(await readStatus(world, path), 200)
    },
  },
  {
    name: 'versions have lists of their own, which stay while they do not count',
    async run(world) {
      assert.equal((await setOwnership(world, 'ObjectWriter')).status, 200)
      const path = `/${world.bucket}/listed`
      const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
      const versioning = await world.raw({
        method: 'PUT',
        path: `/${world.bucket}`,
        query: [['versioning', '']],
        body: [Buffer.from(enabled)],
      })
      assert.equal(versioning.status, 200)
      const put = async (headers: Record<string, string>): Promise<string> =>
        (await world.raw({ method: 'PUT', path, headers, body: [BODY] })).headers[
          'x-amz-version-id'
        ] as string
      const open = await put({ 'x-amz-acl': 'public-read' })
      const shut = await put({})
      // Enough versions to move the first ones away from the newest.
      for (let count = 0; count < 12; count++) await put({})
      const query = (id: string): [string, string][] => [['versionId', id]]
      assert.equal(await readStatus(world, `${path}?versionId=${open}`), 200)
      assert.equal(await readStatus(world, `${path}?versionId=${shut}`), 403)
      const acl = [...ACL, ...query(shut)]
      const headers = { 'x-amz-acl': 'authenticated-read' }
      const set = await world.raw({ method: 'PUT', path, query: acl, headers })
      assert.deepEqual([set.status, set.headers['x-amz-version-id']], [200, shut])
      const shown = await world.raw({ path, query: acl })
      assert.match(shown.text, /AuthenticatedUsers<\/URI><\/Grantee><Permission>READ</)
      assert.equal((await setOwnership(world, 'BucketOwnerEnforced')).status, 200)
      assert.equal(await readStatus(world, `${path}?versionId=${open}`), 403)
      const refused = await world.raw({ method: 'PUT', path, query: acl, headers })
      expectRefused(refused, 400, 'AccessControlListNotSupported')
      assert.doesNotMatch((await world.raw({ path, query: acl })).text, /AuthenticatedUsers/)
      assert.equal((await setOwnership(world, 'ObjectWriter')).status, 200)
      assert.equal(await readStatus(world, `${path}?versionId=${open}`), 200)
    },
  },
]
