/** What every source file keeps to: exports, imports, words, and that it is used. */

import { describe, expect, it } from 'vitest'
import { isTest, packageOf, readText, withoutComments } from '../source.ts'
import { files, findings, production, sources, wrongImports } from './checkout.ts'

/** Built and tested ahead of what will use it. */
const awaited: readonly (readonly [string, string])[] = []

describe('source files', () => {
  it('export by name', () => {
    const where = sources.filter(({ path }) => !path.startsWith('.config/'))
    expect(findings(where, /^export default\b|^export \* from\b/)).toEqual([])
  })

  it('export no name twice', () => {
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

  it('name the files that they import with their ending', () => {
    const wrong = wrongImports(
      (_, imported) => packageOf(imported) !== undefined || /\.(ts|js|json|md)$/.test(imported),
    )
    expect(wrong).toEqual([])
  })
})

describe('no source file is dead', () => {
  it('all are used', () => {
    const scripts = readText('package.json')
    const shells = files.filter((path) => path.startsWith('.ci/')).map((path) => readText(path))
    const imported = new Set(
      sources.flatMap(({ path, imports }) => imports.filter((name) => name !== `./${path}`)),
    )
    const named = (path: string): boolean =>
      [scripts, ...shells].some((text) => text.includes(path)) ||
      // Started as a process or a worker: its name stands as a string somewhere.
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

  it('what ships is used by what ships', () => {
    const imported = new Set(production.flatMap(({ imports }) => imports))
    const roots = ['node/main.ts', ...awaited.map(([path]) => path)]
    const unused = production
      .map(({ path }) => path)
      .filter((path) => !roots.includes(path) && !imported.has(`./${path}`))
    expect(unused).toEqual([])
    // Once it is used it leaves the list.
    expect(awaited.filter(([path]) => imported.has(`./${path}`))).toEqual([])
  })
})

describe('words', () => {
  it('are those of the glossary', () => {
    const words = /\b(master|slave|leader|follower|vnode|whitelist|blacklist|metadata server)s?\b/i
    expect(findings(production, words)).toEqual([])
  })

  it('are searched in code without its comments', () => {
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
