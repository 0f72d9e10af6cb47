/**
 * Generates JavaScript and declarations from the .proto files. protons emits TypeScript with
 * namespaces, which Node refuses to strip, so tsc turns it into .js and .d.ts once.
 */
import { execFileSync } from 'node:child_process'
import { rmSync, readFileSync, writeFileSync } from 'node:fs'

const sources = ['protocol/rpc/messages', 'protocol/codec/records']
for (const source of sources) {
  execFileSync('node_modules/.bin/protons', [`${source}.proto`], { stdio: 'inherit' })
  writeFileSync(`${source}.ts`, `// @ts-nocheck\n${readFileSync(`${source}.ts`, 'utf8')}`)
  execFileSync(
    'node_modules/.bin/tsc',
    [
      '--ignoreConfig',
      '--declaration',
      '--target',
      'es2024',
      '--module',
      'nodenext',
      '--skipLibCheck',
      `${source}.ts`,
    ],
    { stdio: 'inherit' },
  )
  rmSync(`${source}.ts`)
}
