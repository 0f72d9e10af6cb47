import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareKeys, foldPage } from './memory-listing.ts'

const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u{10000}', '\uffee'), maxLength: 6 })

/** All names by definition: each key or prefix once, in byte order. */
function allNames(keys: readonly string[], prefix: string, delimiter: string): string[] {
  const names = new Set<string>()
  for (const each of keys) {
    if (!each.startsWith(prefix)) continue
    const rest = each.slice(prefix.length)
    const at = delimiter === '' ? -1 : rest.indexOf(delimiter)
    names.add(at < 0 ? each : prefix + rest.slice(0, at + delimiter.length))
  }
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

test('consecutive pages of any size have each name once, in order', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(key, { maxLength: 30 }),
      fc.constantFrom('', 'a', 'a/', '/'),
      fc.constantFrom('', '/', 'b', '//'),
      fc.integer({ min: 1, max: 5 }),
      (keys, prefix, delimiter, limit) => {
        const sorted = [...keys].sort(compareKeys)
        const seen: string[] = []
        let after: string | undefined
        for (let page = 0; page <= keys.length + 1; page++) {
          const found = foldPage(sorted, (each) => each, { prefix, delimiter, after, limit })
          const names = [...found.entries, ...found.prefixes].sort(compareKeys)
          expect(names.length).toBeLessThanOrEqual(limit)
          seen.push(...names)
          after = found.next
          if (after === undefined) break
        }
        expect(after).toBeUndefined()
        // A key that is also a common prefix is one name.
        expect(seen).toEqual(allNames(keys, prefix, delimiter))
      },
    ),
  )
})
