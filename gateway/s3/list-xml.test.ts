import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8Text } from '../../protocol/bytes.ts'
import { finish } from '../../protocol/work.ts'
import { AnswerMemory } from '../http/answer-memory.ts'
import { encodeUrl } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import { ListedObjects, type ListedObject } from '../port/listed-objects.ts'
import { detailsXml, storageXml } from './list.ts'
import { listingXml } from './list-xml.ts'

const object: fc.Arbitrary<ListedObject> = fc.record({
  key: fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    fc.constantFrom(
      'plain/key-1.txt',
      'a&b',
      '<k>',
      'a b~!',
      '\u0001',
      '\ufffe\uffff',
      '"',
      'ключ',
    ),
  ),
  sizeBytes: fc.oneof(fc.maxSafeNat(), fc.nat({ max: 5_000 })),
  etag: fc.constantFrom(
    '9dd4e461268c8034f5c8564e155c67a6',
    '0123456789abcdef0123456789abcdef',
    '9dd4e461268c8034f5c8564e155c67a6-3',
  ),
  lastModifiedMs: fc.oneof(
    fc.constantFrom(1_764_600_000_000, 1_764_600_000_007, 8e15),
    fc.nat({ max: 4_000_000_000_000 }),
  ),
  storageClass: fc.constantFrom('STANDARD', 'GLACIER', '<&>'),
  versionId: fc.constantFrom('null', 'abc'),
  checksumAlgorithm: fc.constantFrom(undefined, 'CRC32', 'SHA256'),
  checksumType: fc.constantFrom(undefined, 'FULL_OBJECT', 'COMPOSITE'),
  owner: fc.constantFrom(undefined, undefined, '123456789012', 'ö&'),
})

/** Objects as most pages have them: they differ in few things. */
const alike = fc.tuple(object, fc.array(object, { maxLength: 20 })).map(([first, objects]) =>
  objects.map((each): ListedObject => {
    const { checksumAlgorithm, checksumType, storageClass } = first
    return { ...each, checksumAlgorithm, checksumType, storageClass }
  }),
)

const memory = new AnswerMemory({ poisoned: true })

test('packed objects give the entries that objects give', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.array(object, { maxLength: 20 }), alike),
      fc.constantFrom(escapeXml, encodeUrl),
      fc.constantFrom('', '<Owner><ID>ä</ID></Owner>'),
      (objects, write, owner) => {
        const packed = ListedObjects.of(objects)
        expect([...packed]).toEqual(objects)
        const expected = objects.map((each) => {
          const head = `<Contents><Key>${write(each.key)}</Key>${detailsXml(each)}`
          const own = each.owner === undefined || owner === '' ? owner : `<of ${each.owner}>`
          return `${head}${own}${storageXml(each)}</Contents>`
        })
        const of = (account: string): string => `<of ${account}>`
        const owners = owner === '' ? { common: owner } : { common: owner, of }
        const bytes = finish(listingXml(packed, write, owners, '<ü>', '</ü>', memory))
        expect(utf8Text(bytes)).toBe(`<ü>${expected.join('')}</ü>`)
      },
    ),
  )
})
