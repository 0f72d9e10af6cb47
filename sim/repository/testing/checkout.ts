/** This checkout, read once for all cases of repository.test.ts. */

import { isSource, isTestSupport, listFiles, readSource } from '../source.ts'
import { parseSyntax } from '../syntax.ts'

export const files = listFiles()
export const sources = files.filter(isSource).map((path) => readSource(path))
export const parsed = sources.map(({ path, text }) => ({ path, ...parseSyntax(text) }))
/** What ships: without tests, without what only tests use. */
export const production = sources.filter(
  ({ path }) => /^(protocol|gateway|node)\//.test(path) && !isTestSupport(path),
)
export const documents = files.filter((path) => path.endsWith('.md'))

/** 'path:line: text' of every line of code that the pattern finds. */
export function findings(
  where: readonly { path: string; code: readonly string[] }[],
  what: RegExp,
): string[] {
  return where.flatMap(({ path, code }) =>
    code.flatMap((line, at) => (what.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  )
}

/** 'path imports name' for every import that `allowed` refuses. */
export function wrongImports(allowed: (path: string, imported: string) => boolean): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports
      .filter((imported) => !allowed(path, imported))
      .map((imported) => `${path} imports ${imported}`),
  )
}
