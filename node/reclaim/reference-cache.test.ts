import { expect, test } from 'vitest'
import { bytesOf, u32 } from '../../protocol/bytes.ts'
import { dataId, operationId, type RegisterKey } from '../../protocol/ids.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { cachedReferences } from './reference-cache.ts'

const value = (body: string): RegisterValue => ({
  operation: operationId('o'.repeat(16)),
  tombstone: false,
  blocks: [],
  body: bytesOf(body),
})
const key = (name: string): RegisterKey => name as RegisterKey

test('a state is read once, a changed state again; few are kept', async () => {
  const reads: string[] = []
  const references = cachedReferences((name, { body }) => {
    reads.push(`${name} ${body.length}`)
    return Promise.resolve(new Set([dataId('d'.repeat(20) + u32(body.length))]))
  })
  expect([...(await references(key('a'), value('1')))]).toEqual(['d'.repeat(20) + u32(1)])
  await references(key('a'), value('1'))
  await references(key('a'), value('22'))
  await references(key('a'), value('22'))
  expect(reads).toEqual(['a 1', 'a 2'])
  for (let i = 0; i < 8; i++) await references(key(`b${i}`), value('1'))
  await references(key('a'), value('22'))
  expect(reads.at(-1)).toBe('a 2')
  expect(reads).toHaveLength(11)
})

test('a state that can’t be read is not kept', async () => {
  let reads = 0
  const references = cachedReferences(() => {
    if (reads++ === 0) return Promise.reject(new Error('gone'))
    return Promise.resolve(new Set())
  })
  await expect(references(key('a'), value('1'))).rejects.toThrow('gone')
  expect(await references(key('a'), value('1'))).toEqual(new Set())
})
