import { afterEach, expect, test } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { poisonPools } from '../tools/poison.ts'
import { PageMemory } from './page-memory.ts'

afterEach(() => poisonPools(false))

function pageOf(memory: PageMemory, name: string): ReturnType<PageMemory['finish']> {
  const packer = memory.take(1_000)
  const text = utf8(name)
  for (let i = 0; i < 5; i++) packer.text(text, 0, text.length)
  packer.finishObject(1, 2, 0)
  return memory.finish(packer)
}

test('a page keeps its memory until it is released, and the next one has it then', () => {
  poisonPools(true)
  const memory = new PageMemory()
  const [first, second] = [pageOf(memory, 'first'), pageOf(memory, 'second')]
  expect(second.texts.buffer).not.toBe(first.texts.buffer)
  first.release()
  expect(first.at(0).key).not.toBe('first')
  const third = pageOf(memory, 'third')
  expect(third.texts.buffer).toBe(first.texts.buffer)
  // Only the first release counts.
  first.release()
  expect([...third].map(({ key }) => key)).toEqual(['third'])
  expect(second.at(0).key).toBe('second')
})
