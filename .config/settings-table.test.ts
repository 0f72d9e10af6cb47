import { expect, test } from 'vitest'
import { readDocument, settingsDocuments, withTables } from './settings-table.ts'

test.each(settingsDocuments)(
  "%s has the settings of the configuration's schema (node .config/settings-table.ts)",
  (document) => {
    const text = readDocument(document)
    expect(withTables(document, text)).toBe(text)
  },
)

test('a changed cell, a missing line and a missing table are noticed', () => {
  const text = readDocument('README.md')
  const zone = text.split('\n').find((line) => line.startsWith('| `zone`')) ?? ''
  expect(zone).toMatch(/`--zone`.*`SHOAL_ZONE`.*`default`/)
  for (const wrong of [text.replace(zone, `${zone} `), text.replace(`${zone}\n`, '')]) {
    expect(wrong).not.toBe(text)
    expect(withTables('README.md', wrong)).toBe(text)
  }
  expect(() => withTables('README.md', '')).toThrow("README.md has no table 'cluster'")
})
