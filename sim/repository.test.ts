/** The rules of the repository that no compiler knows: folders, imports, words, documents. */

import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import {
  clusterFieldNames,
  fieldNames,
  nodeFieldNames,
  variableName,
} from '../node/process/config.ts'
import { createProgram } from '../node/cli/program.ts'
import type { Terminal } from '../node/cli/terminal.ts'
import { VERSION } from '../node/process/version.ts'
import { reportRooms } from './repository/rooms.ts'
import {
  isSource,
  isTest,
  isTestSupport,
  listFiles,
  packageOf,
  readSource,
  readText,
  withoutComments,
} from './repository/source.ts'

const files = listFiles()
const sources = files.filter(isSource).map(readSource)
const production = sources.filter(
  ({ path }) => /^(protocol|gateway|node)\//.test(path) && !isTestSupport(path),
)
const documents = files.filter((path) => path.endsWith('.md'))

/** 'path:line: text' of every line of code that the pattern finds. */
function findings(
  where: readonly { path: string; code: readonly string[] }[],
  what: RegExp,
): string[] {
  return where.flatMap(({ path, code }) =>
    code.flatMap((line, at) => (what.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  )
}

/** 'path imports name' for every import that `allowed` refuses. */
function wrongImports(allowed: (path: string, imported: string) => boolean): string[] {
  return sources.flatMap(({ path, imports }) =>
    imports
      .filter((imported) => !allowed(path, imported))
      .map((imported) => `${path} imports ${imported}`),
  )
}

describe('folders', () => {
  it('of the root are those of the design (2)', () => {
    const known =
      'protocol gateway node sim bench docs .ci .config package.json package-lock.json ' +
      'tsconfig.json README.md CHANGELOG.md LICENSE .gitignore .npmrc'
    const found = [...new Set(files.map((path) => path.split('/')[0] as string))]
    expect(found.filter((name) => !known.split(' ').includes(name))).toEqual([])
  })

  const reaches: Readonly<Record<string, readonly string[]>> = {
    protocol: ['protocol'],
    gateway: ['gateway', 'protocol'],
    node: ['node', 'gateway', 'protocol'],
    bench: ['bench', 'node', 'gateway', 'protocol'],
  }

  it('import in one direction: protocol ← gateway ← node ← sim (2)', () => {
    const wrong = wrongImports((path, imported) => {
      const reach = reaches[path.split('/')[0] as string]
      if (reach === undefined || packageOf(imported) !== undefined) return true
      return reach.includes(imported.split('/')[1] as string)
    })
    expect(wrong).toEqual([])
  })

  it('are rooms in which data falls one way', () => {
    const { homeless, upward } = reportRooms(sources)
    expect(homeless).toEqual([])
    expect(upward).toEqual([])
  })

  it('have no circles of imports', () => {
    expect(
      reportRooms(sources).circles.filter((circle) => !circle.startsWith('sim/kernel/')),
    ).toEqual([])
  })

  it('are found to be wrong', () => {
    const file = (path: string, ...imports: string[]) => ({ path, imports, text: '', code: [] })
    const wrong = [
      file('node/log/a.ts', './node/repair/b.ts'),
      file('node/repair/b.ts', './node/log/a.ts', './node/rebalance/c.ts'),
      file('node/attic/c.ts', './node/log/a.ts'),
    ]
    expect(reportRooms(wrong)).toEqual({
      rooms: 3,
      homeless: ['node/attic/c.ts'],
      upward: [
        'node/log/a.ts imports node/repair/b.ts',
        'node/repair/b.ts imports node/rebalance/c.ts',
        'node/attic/c.ts imports node/log/a.ts',
      ],
      circles: ['node/log/a.ts node/repair/b.ts'],
    })
  })
})

describe('packages', () => {
  /** Who may use what. A package that stands in no row may be used by all but protocol/. */
  const places: readonly (readonly [RegExp, RegExp])[] = [
    [
      /^(libp2p|@libp2p\/.*|@multiformats\/.*|multiformats|it-pipe)$/,
      /^(node\/net\/|sim\/e2e\/attack\/)/,
    ],
    [/^lmdb$/, /^(node\/env\/lmdb\.ts|bench\/.*)$/],
    [
      /^node:fs$/,
      /^(node\/env\/|node\/process\/(config|config-file|data-directory|directory-lock)\.ts|node\/cli\/|sim\/|bench\/)/,
    ],
    [/^node:child_process$/, /^(node\/cli\/|sim\/|bench\/)/],
    [/^node:http$/, /^(gateway\/|node\/cli\/|sim\/|bench\/)/],
    [/^node:(net|tls|dgram|https|http2)$/, /^(gateway\/|node\/net\/|sim\/|bench\/)/],
    [/^koa$/, /^(gateway|bench)\//],
    [/^(commander|pino)$/, /^(node\/cli\/|sim\/repository)/],
    [
      /^(zod|smol-toml|yaml)$/,
      /^node\/process\/(config|config-file|data-directory|node-record)\.ts$/,
    ],
    [/^(vitest|fast-check)$/, /^$/],
    [/^(@noble\/hashes|@napi-rs\/blake-hash)$/, /^(protocol\/hash\.ts|bench\/.*)$/],
  ]

  it('stay in their places (2)', () => {
    const wrong = wrongImports((path, imported) => {
      const name = packageOf(imported)
      if (name === undefined || isTestSupport(path) || path.startsWith('.config/')) return true
      const place = places.find(([names]) => names.test(name))
      if (place !== undefined) return place[1].test(path)
      return !path.startsWith('protocol/')
    })
    expect(wrong).toEqual([])
  })

  it('are declared', () => {
    const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as {
      dependencies: Record<string, string>
      devDependencies: Record<string, string>
    }
    const wrong = wrongImports((path, imported) => {
      const name = packageOf(imported)
      if (name === undefined || name.startsWith('node:') || name in dependencies) return true
      const shipped = production.some((file) => file.path === path)
      return name in devDependencies && !shipped
    })
    expect(wrong).toEqual([])
  })
})

describe('what is not deterministic', () => {
  const banned = new RegExp(
    [
      String.raw`\bDate\.now\b`,
      String.raw`\bnew Date\(\s*\)`,
      String.raw`\bMath\.random\b`,
      String.raw`\bset(Timeout|Interval|Immediate)\s*\(`,
      String.raw`\bglobalThis\s*\.\s*(set\w+|Date|Math|performance|crypto)`,
      String.raw`\brandomUUID\b`,
      String.raw`\bgetRandomValues\b`,
      String.raw`\bperformance\.(now|timeOrigin)\b`,
      String.raw`\bprocess\.(hrtime|uptime)\b`,
      String.raw`\bAbortSignal\.timeout\b`,
      String.raw`timers/promises|node:timers|node:perf_hooks`,
      String.raw`\brandom(Bytes|Int|Fill)(Sync)?\b.*from 'node:crypto'`,
    ].join('|'),
  )

  it('lives in the adapters of node/env/ and node/net/ only', () => {
    const where = production.filter(({ path }) => !/^node\/(env|net)\//.test(path))
    expect(findings(where, banned)).toEqual([])
  })

  it('is in no simulation: a seed must give the same run', () => {
    const where = sources.filter(
      ({ path }) =>
        path.startsWith('sim/') &&
        !/^sim\/(e2e|repository)\/|(^|\/|-)main\.ts$/.test(path) &&
        !isTest(path),
    )
    // A virtual clock lets promises settle before it moves on: order, not time.
    const found = findings(where, banned).filter((line) => !line.includes('setImmediate('))
    expect(found).toEqual([])
  })

  it('is found by the pattern', () => {
    const bad = [
      'const at = Date.now()',
      'const at = new Date( )',
      'globalThis.setTimeout(run, 5)',
      'setInterval(run, 5)',
      "import { randomBytes } from 'node:crypto'",
      'AbortSignal.timeout(5)',
      'performance.now()',
    ]
    expect(bad.filter((line) => !banned.test(line))).toEqual([])
    const good = ['new Date(ms)', 'clock.nowMs()', 'randomBytes: (count) => random.bytes(count)']
    expect(good.filter((line) => banned.test(line))).toEqual([])
  })
})

describe('what a request carries', () => {
  const banned = new RegExp(
    [
      String.raw`\.(trim(Start|End)?|normalize|to(Locale)?(Lower|Upper)Case|localeCompare)\(`,
      String.raw`\bDate\.parse\b`,
      String.raw`\bparse(Int|Float)\b`,
      String.raw`\\[sS]`,
    ].join('|'),
  )

  it('is read by gateway/http/ascii.ts and gateway/http/http-date.ts: JavaScript would change its bytes', () => {
    const where = production.filter(
      ({ path }) => /^gateway\/(?!conformance|http\/ascii\.ts)/.test(path) && !isTest(path),
    )
    expect(where.length).toBeGreaterThan(50)
    expect(findings(where, banned)).toEqual([])
  })

  it('is found by the pattern', () => {
    const bad = [
      'text.trim()',
      'name.toLowerCase()',
      'a.localeCompare(b)',
      "text.normalize('NFC')",
      'text.split(/\\s+/)',
      'Number.parseInt(text, 16)',
      'Date.parse(text)',
    ]
    expect(bad.filter((line) => !banned.test(line))).toEqual([])
    const good = ['trim(text)', 'lowerCase(name)', 'text.split(/[ \\t]+/)', 'parseHttpDate(text)']
    expect(good.filter((line) => banned.test(line))).toEqual([])
  })
})

describe('protocol/', () => {
  it('is synchronous: no promises', () => {
    const where = production.filter(
      // The native hash is chosen when the module is loaded.
      ({ path }) => path.startsWith('protocol/') && path !== 'protocol/hash.ts',
    )
    expect(findings(where, /\basync\b|\bawait\b|\bPromise\b/)).toEqual([])
  })
})

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

  it('are used: nothing is dead', () => {
    const scripts = readText('package.json')
    const shells = files.filter((path) => path.startsWith('.ci/')).map(readText)
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

  it('that ship are used by what ships', () => {
    const imported = new Set(production.flatMap(({ imports }) => imports))
    const roots = ['node/main.ts', ...awaited.map(([path]) => path)]
    const unused = production
      .map(({ path }) => path)
      .filter((path) => !roots.includes(path) && !imported.has(`./${path}`))
    expect(unused).toEqual([])
    // Once it is used it leaves the list.
    expect(awaited.filter(([path]) => imported.has(`./${path}`))).toEqual([])
  })

  it('stay small: each state machine its own file', () => {
    const large = sources
      .filter(({ path, text }) => !isTest(path) && text.split('\n').length > 600)
      .map(({ path, text }) => `${path}: ${text.split('\n').length} lines`)
    expect(large).toEqual([])
  })

  it('use the words of the design and no others (1)', () => {
    const words = /\b(master|slave|leader|follower|vnode|whitelist|blacklist|metadata server)s?\b/i
    expect(findings(production, words)).toEqual([])
  })

  it('lose their comments, and only those, before they are searched', () => {
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

describe('documents', () => {
  const silent: Terminal = { out() {}, error() {}, draw() {}, isTty: false, columns: 80 }
  const program = createProgram('unused', silent, () => {})

  /** Lines of fenced blocks and code spans that begin with a command of ours. */
  function commandsIn(path: string): string[] {
    const text = readText(path)
    const blocks = [...text.matchAll(/^```[a-z]*\n([\s\S]*?)^```/gm)].flatMap((match) =>
      (match[1] ?? '').replaceAll('\\\n', ' ').split('\n'),
    )
    const spans = [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
    return [...blocks, ...spans]
      .map((line) =>
        line
          .trim()
          .replace(/^\$ /, '')
          .replace(/^([A-Z_]+=\S+ )+/, ''),
      )
      .filter((line) => /^(npm (start|test|run)|shoal)\b/.test(line))
  }

  it('name only commands and flags that exist', () => {
    const wrong = documents.flatMap((path) =>
      commandsIn(path).flatMap((line) => {
        const problem = problemOf(line)
        return problem === undefined ? [] : [`${path}: ${line}: ${problem}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  function problemOf(line: string): string | undefined {
    const script = /^npm (?:run (?:-s )?)?([a-z0-9:]+)/.exec(line)?.[1]
    if (script !== undefined) {
      const { scripts } = JSON.parse(readText('package.json')) as {
        scripts: Record<string, string>
      }
      if (!(script in scripts)) return `no script ${script}`
      if (script !== 'start') return undefined
    }
    const words = (script === undefined ? line.slice(5) : (line.split(' -- ')[1] ?? ''))
      .split(/[|;&#>]/)[0]
      ?.trim()
      .split(/\s+/)
      .filter((word) => word !== '')
    let command: Command = program
    for (const word of words ?? []) {
      if (word.startsWith('-')) break
      const next = command.commands.find((each) => each.name() === word)
      if (next === undefined) break
      command = next
    }
    const first = words?.[0]
    if (command === program && first !== undefined && /^[a-z]/.test(first))
      return `no command ${first}`
    if (command === program)
      command = program.commands.find((each) => each.name() === 'start') ?? program
    const known = [...command.options, ...program.options].map(({ long }) => long)
    const flag = (words ?? []).find(
      (word) =>
        word.startsWith('--') && word !== '--help' && !known.includes(word.split('=')[0] ?? ''),
    )
    return flag === undefined ? undefined : `no flag ${flag}`
  }

  it('are checked by what finds mistakes', () => {
    expect(problemOf('npm run nothing')).toBe('no script nothing')
    expect(problemOf('shoal dance')).toBe('no command dance')
    expect(problemOf('shoal status --data x --fast')).toBe('no flag --fast')
    expect(problemOf('npm start -- cluster --nodes 3 --fast')).toBe('no flag --fast')
    expect(problemOf('shoal layout show --json')).toBeUndefined()
    expect(problemOf('shoal --data x')).toBeUndefined()
  })

  it('hold every rule that code and documents cite', () => {
    const book = readText('docs/correctness.md')
    const known = new Set([...book.matchAll(/\*\*([A-Z]\d+b?)\*\*/g)].map((match) => match[1]))
    expect(known.size).toBeGreaterThan(50)
    const cited = (text: string): string[] =>
      [...text.matchAll(/\(((?:[ADGLPRT]\d+b?(?:[,;–-] ?)?)+)\)/g)].flatMap((match) =>
        (match[1] ?? '').split(/[,;–-] ?/).filter((rule) => rule !== ''),
      )
    expect(cited('kept (A1, D10) and (L6b)')).toEqual(['A1', 'D10', 'L6b'])
    const wrong = files
      .filter((path) => isSource(path) || path.endsWith('.md'))
      .flatMap((path) =>
        cited(readText(path))
          .filter((rule) => !known.has(rule))
          .map((rule) => `${path} cites ${rule}`),
      )
    expect(wrong).toEqual([])
  })

  it('that code and documents cite are in the repository', () => {
    const cited = /(?<![\w/.-])((?:docs\/)?[A-Za-z0-9-]+\.md)\b/g
    const wrong = files
      .filter((path) => path !== 'sim/repository.test.ts')
      .filter((path) => isSource(path) || path.endsWith('.md'))
      .flatMap((path) =>
        [...readText(path).matchAll(cited)]
          .map((match) => match[1] ?? '')
          .filter((name) => !files.includes(name) && !files.includes(`docs/${name}`))
          .map((name) => `${path} cites ${name}`),
      )
    expect(wrong).toEqual([])
  })

  it('describe every field of the configuration', () => {
    const table = readText('README.md')
    const missing = fieldNames.filter(
      (field) => !table.includes(`\`${field}\``) || !table.includes(`\`${variableName(field)}\``),
    )
    expect(missing).toEqual([])
    expect([...clusterFieldNames, ...nodeFieldNames]).toEqual(fieldNames)
  })

  it('link to files that exist', () => {
    const there = new Set(files)
    const broken = documents.flatMap((path) => {
      const links = [...readText(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      return links
        .map((match) => new URL(match[1] ?? '', `file:///${path}`).pathname.slice(1))
        .filter(
          (target) =>
            !there.has(target) &&
            !files.some((file) => file.startsWith(`${target.replace(/\/$/, '')}/`)),
        )
        .map((target) => `${path}: ${target}`)
    })
    expect(broken).toEqual([])
  })

  it('and the program agree on the version', () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string }
    expect(VERSION).toBe(version)
    expect(readText('CHANGELOG.md')).toContain(`## ${version}`)
  })
})
