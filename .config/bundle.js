/**
 * `npm run bundle`: makes dist/bundle/, the program and its packages in a few files. Loading 1,900 modules one by one
 * takes longer than all the rest of a start. npm runs it after an installation (`prepare`), and `npm run build` for a
 * package. Plain JavaScript, so that it runs before anything is installed, and then says that it makes no bundle.
 *
 * Packages with native parts stay outside, and so do those that a start rarely needs (node/process/config-file.ts).
 * Of hash-wasm only the hashes that are used come in: its ES modules, not the file that Node would take.
 */

import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs'
import { rmSync, writeFileSync } from 'node:fs'
import { basename, join, sep } from 'node:path'
import { digestOfSources } from './digest.js'

const root = join(import.meta.dirname, '..')
const target = join(root, 'dist/bundle')
const OUTSIDE = [/^node:/, /^lmdb$/, /^@napi-rs\//]

/** Makes the bundle in a directory beside its place, so that a start never meets half of it. */
async function bundle(rolldown, digest) {
  const made = join(root, `dist/bundle-${process.pid}`)
  const build = await rolldown({
    input: join(root, 'node/main.ts'),
    platform: 'node',
    external: OUTSIDE,
    resolve: { alias: { 'hash-wasm': join(root, 'node_modules/hash-wasm/dist/index.esm.js') } },
    plugins: [separateFiles],
    logLevel: 'silent',
  })
  const { output } = await build.write({
    dir: made,
    format: 'esm',
    comments: { legal: true, annotation: false, jsdoc: false },
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  })
  for (const { fileName, code } of output) {
    writeFileSync(join(made, fileName), code.replaceAll(/[^\0-\x7f]/g, escaped))
  }
  writeFileSync(join(made, 'THIRD-PARTY.md'), notices(output.flatMap((chunk) => chunk.moduleIds)))
  writeFileSync(join(made, 'sources.txt'), digest)
  chmodSync(join(made, 'main.js'), 0o755)
  rmSync(target, { recursive: true, force: true })
  renameSync(made, target)
  const starts = ['cli/program.ts', 'cli/start.ts', 'start/start.ts', 'start/thread-server.ts']
  compile(output.filter((chunk) => starts.some((path) => chunk.facadeModuleId?.endsWith(`node/${path}`))))
}

/** Fills the cache of node/cli/compile-cache.ts, for the first start. The code is compiled under the flags of `npm start`. */
function compile(chunks) {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const script = `
    process.getBuiltinModule('node:module').enableCompileCache(${JSON.stringify(join(target, 'cache'))})
    for (const path of ${JSON.stringify(chunks.map(({ fileName }) => join(target, fileName)))}) await import(path)
    process.exit(0)`
  const flags = scripts.start.match(/--\S+/g)
  execFileSync(process.execPath, [...flags, '--input-type=module', '--eval', script])
}

/**
 * A file that is named as `new URL('./x.ts', import.meta.url)`, to be run by a thread, becomes a file of the bundle. There is
 * no bundle when a thread's file is named in another way: it would not be found.
 */
const separateFiles = {
  name: 'separate-files',
  transform(code, id) {
    if (id.includes('node_modules') || !/import\.meta\.url|new Worker\(/.test(code)) return null
    let count = 0
    const name = /(?<=new URL\(\s*')(\.[^']+)\.ts(?=',\s*import\.meta\.url)/g
    const changed = code.replaceAll(name, (_, path) => {
      count++
      const fileName = `${basename(path)}.js`
      this.emitFile({ type: 'chunk', id: join(id, '..', `${path}.ts`), fileName })
      return `./${fileName}`
    })
    if (count === 0 && code.includes('new Worker('))
      this.error(`${id} names a thread's file in another way`)
    return changed
  },
}

/** V8 keeps a text with any other character in two bytes for each of its characters: 3 MiB more. */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The licences of the packages in the bundle: each wants its text to go with its code. */
function notices(moduleIds) {
  const inside = moduleIds.flatMap((id) => {
    const at = id.lastIndexOf(`${sep}node_modules${sep}`)
    const [scope, name] = id.slice(at + 14).split(sep)
    return at === -1 ? [] : [join(id.slice(0, at + 14), scope, scope.startsWith('@') ? name : '')]
  })
  const texts = [...new Set(inside)].map((directory) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(directory, 'package.json'), 'utf8'),
    )
    const files = readdirSync(directory).filter((file) => /^(licen[cs]e|notice)/i.test(file))
    const said = files.map((file) => readFileSync(join(directory, file), 'utf8').trim())
    return [`## ${name} ${version}: ${license}`, ...said].join('\n\n')
  })
  return `# Packages that are part of this program\n\n${texts.join('\n\n')}\n`
}

/** Whether the bundle is there and was made from these sources. */
function isInStep(digest) {
  const stamp = join(target, 'sources.txt')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === digest
}

try {
  const digest = digestOfSources(root)
  if (!isInStep(digest)) {
    const { rolldown } = await import('rolldown')
    mkdirSync(join(root, 'dist'), { recursive: true })
    await bundle(rolldown, digest)
  }
} catch (error) {
  // An installation goes on: without the bundle, `npm start` runs the sources.
  console.error(`no bundle was made: ${error instanceof Error ? error.message : String(error)}`)
  if (process.argv.includes('--must')) process.exitCode = 1
}
