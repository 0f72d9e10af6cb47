/** Writes docs/s3-compatibility.md from the table of operations. */

import { readFileSync, writeFileSync } from 'node:fs'
import { compatibilityMarkdown } from '../gateway/compatibility.ts'
import { QUERY_ROWS } from '../gateway/iam/table.ts'
import { OPERATIONS } from '../gateway/operations.ts'

const path = new URL('../docs/s3-compatibility.md', import.meta.url)

export function isCurrent(): boolean {
  return readFileSync(path, 'utf8') === compatibilityMarkdown(OPERATIONS, QUERY_ROWS)
}

if (import.meta.main) writeFileSync(path, compatibilityMarkdown(OPERATIONS, QUERY_ROWS))
