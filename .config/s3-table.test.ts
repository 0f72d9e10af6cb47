import { expect, test } from 'vitest'
import { isCurrent } from './s3-table.ts'

test('docs/s3-compatibility.md says what the table says (node .config/s3-table.ts)', () => {
  expect(isCurrent()).toBe(true)
})
