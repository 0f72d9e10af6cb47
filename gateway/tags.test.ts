/** Rights that tags need, over HTTP. What tags do: conformance/. */

import { describe, expect, test } from 'vitest'
import { CALLERS, permissionWorld } from './testing/permission-world.ts'

const { as } = permissionWorld()
const { root, creator } = CALLERS

describe('tags of a new bucket', () => {
  test('need a right of their own', async () => {
    const create = (inner: string): Promise<number> => {
      const body = [Buffer.from(`<CreateBucketConfiguration>${inner}</CreateBucketConfiguration>`)]
      return as(creator, 'PUT', '/created', { body }).then(({ status }) => status)
    }
    expect(await create('<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>')).toBe(403)
    expect((await as(root, 'HEAD', '/created')).status).toBe(404)
    expect(await create('<Tags/>')).toBe(200)
    expect((await as(root, 'GET', '/created', { query: [['tagging', '']] })).status).toBe(404)
  })
})
