/** Documents name only commands, fields, files and versions that exist. */

import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { createProgram } from '../../../node/cli/program.ts'
import type { Terminal } from '../../../node/cli/terminal.ts'
import {
  clusterFieldNames,
  fieldNames,
  nodeFieldNames,
  variableName,
} from '../../../node/process/config.ts'
import { VERSION } from '../../../node/process/version.ts'
import { isSource, readText } from '../source.ts'
import { documents, files, parsed } from './checkout.ts'

const silent: Terminal = { out() {}, error() {}, draw() {}, isTty: false, columns: 80 }
const program = createProgram('unused', silent, () => {})

/** Lines of fenced blocks and code spans that begin with `shoal` or `npm`. */
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

/** What is wrong with a command line, or undefined. */
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

describe('commands in documents', () => {
  it('exist, and so do their flags', () => {
    const wrong = documents.flatMap((path) =>
      commandsIn(path).flatMap((line) => {
        const problem = problemOf(line)
        return problem === undefined ? [] : [`${path}: ${line}: ${problem}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  it('are found when they are wrong', () => {
    expect(problemOf('npm run nothing')).toBe('no script nothing')
    expect(problemOf('shoal dance')).toBe('no command dance')
    expect(problemOf('shoal status --data x --fast')).toBe('no flag --fast')
    expect(problemOf('npm start -- cluster --nodes 3 --fast')).toBe('no flag --fast')
    expect(problemOf('shoal layout show --json')).toBeUndefined()
    expect(problemOf('shoal --data x')).toBeUndefined()
  })
})

/** Paths from the root: 'node/log/log.ts', 'gateway/s3/', 'sim/store-*'. */
function pathsIn(text: string): string[] {
  const paths =
    /(?<![\w/.@'-])(?:protocol|gateway|node|sim|bench|docs|\.ci|\.config)\/[\w./-]*(?:[\w/]|\*)/g
  return [...text.matchAll(paths)].map((match) => match[0])
}

/** 'store.ts': names of source files without their folder. */
function namesIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w/.'*-])([a-z][\w-]*(?:\.test)?\.ts)\b/g)].map(
    (match) => match[1]!,
  )
}

function isThere(path: string): boolean {
  if (!path.includes('/')) return files.some((file) => file.endsWith(`/${path}`))
  if (path.endsWith('*')) return files.some((file) => file.startsWith(path.slice(0, -1)))
  const folder = path.endsWith('/') ? path : `${path}/`
  return files.some((file) => file === path || file.startsWith(folder))
}

describe('files that texts name', () => {
  const missing = (path: string, text: string): string[] =>
    [...pathsIn(text), ...namesIn(text)]
      .filter((named) => !isThere(named))
      .map((named) => `${path} names ${named}`)

  it('exist when a document names them', () => {
    expect(documents.flatMap((path) => missing(path, readText(path)))).toEqual([])
  })

  it('exist when a comment names them', () => {
    const comments = parsed.filter(({ path }) => !path.startsWith('sim/repository'))
    expect(
      comments.flatMap(({ path, comments: said }) =>
        said.flatMap(({ text }) => missing(path, text)),
      ),
    ).toEqual([])
  })

  it('are found', () => {
    expect(pathsIn('in node/log/log.ts and gateway/s3/*.ts, sim/store-*.test.ts')).toEqual([
      'node/log/log.ts',
      'gateway/s3/*',
      'sim/store-*',
    ])
    expect(namesIn('`store.ts`, x.test.ts, ./near.ts')).toEqual(['store.ts', 'x.test.ts'])
    const wrong = ['node/attic/', 'node/log/lgo.ts', 'lgo.ts', 'sim/strange-*']
    expect(wrong.filter(isThere)).toEqual([])
  })
})

describe('documents', () => {
  it('are in the repository when code or documents cite them', () => {
    const cited = /(?<![\w/.-])((?:docs\/)?[A-Za-z0-9-]+\.md)\b/g
    const wrong = files
      .filter((path) => !path.startsWith('sim/repository'))
      .filter((path) => isSource(path) || path.endsWith('.md'))
      .flatMap((path) =>
        [...readText(path).matchAll(cited)]
          .map((match) => match[1] ?? '')
          .filter(
            (name) => !files.includes(name) && !files.some((file) => file.endsWith(`/${name}`)),
          )
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

  it('and the program have the same version', () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string }
    expect(VERSION).toBe(version)
    expect(readText('CHANGELOG.md')).toContain(`## ${version}`)
  })
})
