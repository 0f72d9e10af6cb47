/** Which folders there are, what each may import, and where packages may be used. */

import { describe, expect, it } from 'vitest'
import { bestOrder } from '../best-order.ts'
import { reportRooms, roomsOf } from '../rooms.ts'
import { isTestSupport, packageOf, readText } from '../source.ts'
import { files, production, sources, wrongImports } from './checkout.ts'

describe('folders', () => {
  it('of the root are known', () => {
    const known =
      'protocol gateway node sim bench docs .ci .config .github package.json package-lock.json ' +
      'tsconfig.json README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE .editorconfig ' +
      '.gitignore .npmrc'
    const found = [...new Set(files.map((path) => path.split('/')[0] as string))]
    expect(found.filter((name) => !known.split(' ').includes(name))).toEqual([])
  })

  const reaches: Readonly<Record<string, readonly string[]>> = {
    protocol: ['protocol'],
    gateway: ['gateway', 'protocol'],
    node: ['node', 'gateway', 'protocol'],
    bench: ['bench', 'node', 'gateway', 'protocol'],
  }

  it('import in one direction: protocol ← gateway ← node ← sim', () => {
    const wrong = wrongImports((path, imported) => {
      const reach = reaches[path.split('/')[0] as string]
      if (reach === undefined || packageOf(imported) !== undefined) return true
      return reach.includes(imported.split('/')[1] as string)
    })
    expect(wrong).toEqual([])
  })

  it('import from rooms below them only', () => {
    const { homeless, upward } = reportRooms(sources)
    expect(homeless).toEqual([])
    expect(upward).toEqual([])
  })

  it('are in docs/architecture.md, in the same order', () => {
    const book = readText('docs/architecture.md')
    for (const top of ['gateway', 'node']) {
      const rows = [...book.matchAll(/^\| `([\w/]+)`/gm)].map((match) => match[1]!)
      expect(rows.filter((row) => row.startsWith(`${top}/`) && row !== `${top}/`)).toEqual(
        roomsOf(top),
      )
    }
  })

  it('have no circles of imports', () => {
    expect(reportRooms(sources).circles).toEqual([])
  })

  it('are reported when an import runs upwards, in a circle or to an unknown room', () => {
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

describe('the best order of rooms', () => {
  it('has the fewest imports that run upwards', () => {
    const file = (path: string, ...imports: string[]) => ({ path, imports, text: '', code: [] })
    const found = bestOrder(
      [
        file('node/log/a.ts', './node/env/b.ts', 'node:fs'),
        file('node/log/c.ts', './node/env/b.ts', './node/log/a.ts'),
        file('node/env/b.ts', './node/log/a.ts'),
        file('node/main.ts', './node/log/a.ts'),
        file('node/env/b.test.ts', './node/log/a.ts'),
      ],
      'node',
    )
    expect(found).toEqual({ top: 'node', rooms: ['env', 'log', '.'], imports: 4, upward: 1 })
  })
})

describe('packages', () => {
  /** Names of packages, and the files that may use them. All but protocol/ may use a package that is not here. */
  const places: readonly (readonly [RegExp, RegExp])[] = [
    [
      /^(libp2p|@libp2p\/.*|@multiformats\/.*|multiformats|it-pipe)$/,
      /^(node\/net\/|sim\/e2e\/attack\/)/,
    ],
    [/^lmdb$/, /^(node\/env\/lmdb\.ts|bench\/.*)$/],
    [
      /^node:fs$/,
      /^(node\/env\/|node\/process\/(certificate-files|config|config-file|credential-files|data-directory|directory-(access|lock)|durable-file|known-directory)\.ts|node\/cli\/|sim\/|bench\/)/,
    ],
    [/^node:child_process$/, /^(node\/cli\/|sim\/|bench\/)/],
    [/^node:http$/, /^(gateway\/|node\/(cli|net)\/|sim\/|bench\/)/],
    [/^node:https$/, /^(gateway\/|node\/(cli|net)\/|sim\/|bench\/)/],
    [/^node:(net|dgram|http2)$/, /^(gateway\/|node\/net\/|sim\/|bench\/)/],
    [/^node:tls$/, /^(gateway\/|node\/(net|cli)\/|sim\/|bench\/)/],
    [/^node:worker_threads$/, /^(gateway\/threads\/|node\/start\/|sim\/)/],
    [/^koa$/, /^(gateway|bench)\//],
    [/^(commander|pino)$/, /^(node\/cli\/|sim\/repository\/)/],
    [
      /^(zod|smol-toml|yaml)$/,
      /^node\/process\/(config(-[a-z]+)?|credential-files|node-record)\.ts$/,
    ],
    [/^(vitest|fast-check)$/, /^$/],
    [/^rolldown$/, /^sim\/repository\//],
    [/^(@noble\/hashes|@napi-rs\/blake-hash)$/, /^(protocol\/hash\.ts|bench\/.*)$/],
  ]

  it('are used where they may be used', () => {
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
