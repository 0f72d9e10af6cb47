/** Ownership of objects, and access control lists of buckets. */

import assert from 'node:assert/strict'
import {
  expectRefused,
  sendUnsigned,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

const OWNERSHIP: readonly [string, string][] = [['ownershipControls', '']]
const ACL: readonly [string, string][] = [['acl', '']]

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
]
