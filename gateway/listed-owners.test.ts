/** Whom lists of objects show as owners, over HTTP. */

import { expect, test } from 'vitest'
import { CALLERS_ACCOUNT, OTHER_ACCOUNT } from './testing/callers.ts'
import { CALLERS, permissionWorld } from './testing/permission-world.ts'

const { as } = permissionWorld()
const { root, stranger } = CALLERS

const LISTS: readonly [string, string][][] = [
  [],
  [
    ['list-type', '2'],
    ['fetch-owner', 'true'],
  ],
  [['versions', '']],
]

async function put(mark: string, headers: Record<string, string>, text = ''): Promise<void> {
  const query: [string, string][] = [[mark, '']]
  const answer = await as(root, 'PUT', '/bucket', { query, headers, body: [Buffer.from(text)] })
  expect(answer.text).toBe('')
}

function setOwnership(value: string): Promise<void> {
  const rule = `<Rule><ObjectOwnership>${value}</ObjectOwnership></Rule>`
  return put('ownershipControls', {}, `<OwnershipControls>${rule}</OwnershipControls>`)
}

/** The owner of each key, as all three lists show it. */
async function owners(): Promise<string[]> {
  const shown = []
  for (const query of LISTS) {
    const { text } = await as(root, 'GET', '/bucket', { query })
    const entries = [...text.matchAll(/<Key>([^<]*)<.*?<Owner><ID>([^<]*)</g)]
    shown.push(entries.map(([, key, owner]) => `${key} ${owner}`))
  }
  expect(shown[1]).toEqual(shown[0])
  expect(shown[2]).toEqual(shown[0])
  return shown[0] ?? []
}

test('lists show the owner of each object, and the account of the bucket where lists do not count', async () => {
  await setOwnership('ObjectWriter')
  await put('acl', { 'x-amz-grant-write': `id=${OTHER_ACCOUNT}` })
  const own = (who: string): string[] => [
    `closed/a ${CALLERS_ACCOUNT}`,
    `open/a ${CALLERS_ACCOUNT}`,
    `theirs ${who}`,
    `theirs-cold ${who}`,
  ]
  for (const [key, storageClass] of [
    ['theirs', 'STANDARD'],
    ['theirs-cold', 'GLACIER'],
  ] as const) {
    const headers = { 'x-amz-storage-class': storageClass }
    const sent = { headers, body: [Buffer.from(key)] }
    expect((await as(stranger, 'PUT', `/bucket/${key}`, sent)).status).toBe(200)
  }
  expect(await owners()).toEqual(own(OTHER_ACCOUNT))
  await put('acl', { 'x-amz-acl': 'private' })
  await setOwnership('BucketOwnerEnforced')
  expect(await owners()).toEqual(own(CALLERS_ACCOUNT))
})

test('lists of uploads and parts show whose object it will be', async () => {
  await setOwnership('ObjectWriter')
  await put('acl', { 'x-amz-grant-write': `id=${OTHER_ACCOUNT}` })
  const begin = async (who: typeof root): Promise<[string, string][]> => {
    const { status, text } = await as(who, 'POST', '/bucket/upload', { query: [['uploads', '']] })
    expect(status).toBe(200)
    return [['uploadId', /<UploadId>([^<]*)</.exec(text)?.[1] ?? '']]
  }
  const [theirs, ours] = [await begin(stranger), await begin(root)]
  const people = async (query: [string, string][], path: string): Promise<string[]> => {
    const { text } = await as(root, 'GET', path, { query })
    const found = text.matchAll(/<Initiator><ID>([^<]*)<.*?<Owner><ID>([^<]*)</g)
    return [...found].map(([, initiator, owner]) => `${initiator} ${owner}`)
  }
  const pair = (account: string): string => `${account} ${account}`
  expect(await people(theirs, '/bucket/upload')).toEqual([pair(OTHER_ACCOUNT)])
  expect(await people(ours, '/bucket/upload')).toEqual([pair(CALLERS_ACCOUNT)])
  const all = (): Promise<string[]> => people([['uploads', '']], '/bucket')
  expect((await all()).sort()).toEqual([pair(OTHER_ACCOUNT), pair(CALLERS_ACCOUNT)].sort())
  await put('acl', { 'x-amz-acl': 'private' })
  await setOwnership('BucketOwnerEnforced')
  expect(await all()).toEqual([pair(CALLERS_ACCOUNT), pair(CALLERS_ACCOUNT)])
})
