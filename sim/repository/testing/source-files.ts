/** What every source file keeps to: exports, imports, words, and that it is used. */

import { matchesGlob } from 'node:path'
import { describe, expect, it } from 'vitest'
import { APART } from '../../../.config/vitest.ts'
import { isTest, packageOf, readText, withoutComments } from '../source.ts'
import { files, findings, production, sources, wrongImports } from './checkout.ts'

describe('exports', () => {
  it('are by name', () => {
    const where = sources.filter(({ path }) => !path.startsWith('.config/'))
    expect(findings(where, /^export default\b|^export \* from\b/)).toEqual([])
  })

  it('have no name twice', () => {
    const where = new Map<string, string[]>()
    for (const { path, code } of sources) {
      if (isTest(path) || path.startsWith('.config/')) continue
      for (const line of code) {
        const name =
          /^export (?:abstract |async )?(?:class|function\*?|interface|type|const|let) (\w+)/.exec(
            line,
          )?.[1]
        if (name === undefined) continue
        const known = where.get(name) ?? []
        where.set(name, known.includes(path) ? known : [...known, path])
      }
    }
    const twice = [...where].filter(([, paths]) => paths.length > 1)
    expect(twice.map(([name, paths]) => `${name}: ${paths.join(' ')}`)).toEqual([])
    expect(where.size).toBeGreaterThan(1_000)
  })

  it('and imports name files with their ending', () => {
    const wrong = wrongImports(
      (_, imported) => packageOf(imported) !== undefined || /\.(ts|js|json|md)$/.test(imported),
    )
    expect(wrong).toEqual([])
  })
})

describe('source files', () => {
  it('are used', () => {
    const scripts = readText('package.json')
    const shells = files.filter((path) => path.startsWith('.ci/')).map((path) => readText(path))
    const imported = new Set(
      sources.flatMap(({ path, imports }) => imports.filter((name) => name !== `./${path}`)),
    )
    const named = (path: string): boolean =>
      [scripts, ...shells].some((text) => text.includes(path)) ||
      // A file that is started as a process or worker is named by a string.
      sources.some(
        (source) =>
          source.path !== path && source.text.includes(`${path.split('/').at(-1) ?? ''}'`),
      )
    const dead = sources
      .map(({ path }) => path)
      .filter((path) => !isTest(path) && !path.startsWith('.config/'))
      .filter((path) => !imported.has(`./${path}`) && !named(path))
    expect(dead).toEqual([])
  })

  it('that ship are used by others that ship', () => {
    const imported = new Set(production.flatMap(({ imports }) => imports))
    const unused = production
      .map(({ path }) => path)
      .filter((path) => path !== 'node/main.ts' && !imported.has(`./${path}`))
    expect(unused).toEqual([])
  })
})

describe('words of other designs', () => {
  it('are not used', () => {
    const words = /\b(master|slave|leader|follower|vnode|whitelist|blacklist|metadata server)s?\b/i
    expect(findings(production, words)).toEqual([])
  })

  it('are looked for in code without its comments', () => {
    const text = [
      "const a = 'http://x' // said",
      '/** doc',
      ' * Date.now()',
      ' */',
      'b() /* c */',
    ].join('\n')
    expect(withoutComments(text)).toEqual(["const a = 'http://x'", '', '', '', 'b() /* c */'])
  })
})

describe('tests that replace a module', () => {
  it('run in a process of their own, where no other file has loaded that module', () => {
    const mocking = sources.filter(
      ({ path, code }) => isTest(path) && code.some((line) => line.includes('vi.mock(')),
    )
    const together = mocking.filter(({ path }) => !APART.some((glob) => matchesGlob(path, glob)))
    expect(mocking.length).toBeGreaterThan(0)
    expect(together.map(({ path }) => path)).toEqual([])
  })
})
