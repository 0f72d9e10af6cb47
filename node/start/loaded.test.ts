/** What a start loads, seen by a process of its own: each module costs time and memory in every node. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** The modules that a process loads with this file, as paths from the root or from node_modules/. */
function loadedWith(path: string): string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({ load(url, context, next) { urls.push(url); return next(url, context) } })
    await import(${JSON.stringify(join(root, path))})
    process.stdout.write(urls.join('\\n'), () => process.exit(0))`
  const args = ['--input-type=module', '--eval', script]
  const urls = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }).split('\n')
  return urls.map((url) =>
    url
      .split(/\/node_modules\//)
      .at(-1)!
      .replace(`file://${root}/`, ''),
  )
}

/** Those of these packages and files that are among the loaded ones. */
function among(loaded: readonly string[], names: readonly string[]): string[] {
  return names.filter((name) => loaded.some((path) => path.startsWith(name)))
}

it('a start does without what few nodes or few moments need', () => {
  const loaded = [...loadedWith('node/cli/start.ts'), ...loadedWith('node/start/start.ts')]
  expect(among(loaded, ['libp2p/', 'lmdb/', 'koa/', 'node/log/log.ts'])).toHaveLength(4)
  const rare = ['yaml/', 'smol-toml/', 'prom-client/', '@opentelemetry/']
  const certificates = ['@libp2p/tls/', '@peculiar/', 'asn1js/', 'reflect-metadata/']
  const commands = ['node/cli/cluster.ts', 'node/cli/index-rebuild.ts', 'node/log/inspect.ts']
  expect(among(loaded, [...rare, ...certificates, ...commands])).toEqual([])
})

it('the command line does without what a node is made of', () => {
  const loaded = loadedWith('node/cli/program.ts')
  expect(among(loaded, ['commander/'])).toHaveLength(1)
  expect(among(loaded, ['lmdb/', 'libp2p/', 'koa/', 'pino/', 'node/log/', 'yaml/'])).toEqual([])
})
