/** The files of a checkout and what they import, for repository.test.ts and house-main.ts. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'

export const ROOT = new URL('../..', import.meta.url).pathname

export interface SourceFile {
  /** From the root: 'node/cli/start.ts'. */
  readonly path: string
  readonly text: string
  /** The text without comments, line by line. */
  readonly code: readonly string[]
  /** Files as './node/main.ts' (from the root), and packages, in order of appearance. */
  readonly imports: readonly string[]
}

/** Tracked files, and new ones that are not ignored. `root` is another checkout of this repository. */
export function listFiles(root = ROOT): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  const paths = listed.split('\n').filter((path) => path !== '')
  return paths.filter((path) => existsSync(join(root, path))).sort()
}

export function readText(path: string, root = ROOT): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Hand-written TypeScript. Declarations beside generated code are not. */
export function isSource(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.d.ts')
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

/** Tests, and what only tests use. */
export function isTestSupport(path: string): boolean {
  return (
    isTest(path) || /\/(testing|conformance)\//.test(path) || path.startsWith('gateway/memory/')
  )
}

export function readSource(path: string, root = ROOT): SourceFile {
  const text = readText(path, root)
  const code = withoutComments(text)
  return { path, text, code, imports: importsOf(path, code.join('\n')) }
}

/**
 * Good enough for code that prettier has set: block comments begin their line or end it, and `//`
 * inside a string follows a colon.
 */
export function withoutComments(text: string): string[] {
  let inside = false
  return text.split('\n').map((line) => {
    const trimmed = line.trim()
    if (inside) {
      inside = !trimmed.includes('*/')
      return ''
    }
    if (trimmed.startsWith('/*')) {
      inside = !trimmed.includes('*/')
      return inside ? '' : line.slice(line.indexOf('*/') + 2)
    }
    if (trimmed.startsWith('//') || trimmed.startsWith('#!')) return ''
    return line.replace(/(^|\s)\/\/ .*$/, '')
  })
}

function importsOf(path: string, code: string): string[] {
  const found = code.matchAll(
    /\bfrom\s*'([^']+)'|\bimport\s*\(?\s*'([^']+)'|\bnew URL\(\s*'(\.[^']+\.\w+)',\s*import\.meta\.url/g,
  )
  return [...found].map((match) => {
    const name = match[1] ?? match[2] ?? match[3] ?? ''
    return name.startsWith('.') ? `./${normalize(join(path, '..', name))}` : name
  })
}

/** The name in front of the path: 'koa', '@libp2p/tcp', 'node:fs'. Undefined for files. */
export function packageOf(imported: string): string | undefined {
  if (imported.startsWith('./')) return undefined
  const parts = imported.split('/')
  return imported.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]
}
