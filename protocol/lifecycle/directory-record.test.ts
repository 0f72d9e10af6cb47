import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hex, utf8 } from '../bytes.ts'
import { lifecycleDirectoryCodec } from './directory-record.ts'

const bucket = fc.record({
  name: fc.string({ minLength: 3, maxLength: 63 }),
  incarnation: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(hex),
  generation: fc.maxSafeNat(),
})

test('a list is read as it was written', () => {
  fc.assert(
    fc.property(fc.array(bucket), (buckets) => {
      const bytes = lifecycleDirectoryCodec.encode({ buckets })
      expect(lifecycleDirectoryCodec.decode(bytes)).toEqual({ buckets })
    }),
  )
})

test('a list of another form is refused', () => {
  const [version] = lifecycleDirectoryCodec.encode({ buckets: [] })
  const good = { name: 'bucket', incarnation: 'a'.repeat(32), generation: 1 }
  const odd: object[] = [
    {},
    { ...good, more: 1 },
    { ...good, generation: -1 },
    { ...good, generation: 1.5 },
    { ...good, incarnation: 'A'.repeat(32) },
    { ...good, name: 'a'.repeat(64) },
  ]
  const read = (one: object) =>
    lifecycleDirectoryCodec.decode(
      new Uint8Array([version!, ...utf8(JSON.stringify({ buckets: [one] }))]),
    )
  expect(read(good).buckets).toEqual([good])
  for (const one of odd) expect(() => read(one), JSON.stringify(one)).toThrow()
})
