/** Writes docs/s3-compatibility.md and docs/s3-parameters.md from the table of operations. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { compatibilityMarkdown } from '../gateway/routes/compatibility.ts'
import { parametersMarkdown } from '../gateway/routes/documented-names.ts'
import { QUERY_OPERATIONS } from '../gateway/iam/table.ts'
import { OPERATIONS } from '../gateway/routes/operations.ts'

const PAGES = {
  's3-compatibility.md': compatibilityMarkdown(OPERATIONS, QUERY_OPERATIONS),
  's3-parameters.md': parametersMarkdown(OPERATIONS),
} as const

export type Page = keyof typeof PAGES

function pathOf(page: Page): URL {
  return new URL(`../docs/${page}`, import.meta.url)
}

export function isCurrent(page: Page): boolean {
  const path = pathOf(page)
  return existsSync(path) && readFileSync(path, 'utf8') === PAGES[page]
}

if (import.meta.main) {
  for (const page of Object.keys(PAGES) as Page[]) writeFileSync(pathOf(page), PAGES[page])
}
