import { expect, test } from 'vitest'
import { isCurrent } from './s3-table.ts'

test.each(['s3-compatibility.md', 's3-parameters.md'] as const)(
  'docs/%s says what the table says (node .config/s3-table.ts)',
  (page) => expect(isCurrent(page)).toBe(true),
)
