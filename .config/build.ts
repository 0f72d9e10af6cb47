/**
 * `npm run build`: makes dist/, the JavaScript of a package. tsc starts from node/main.ts and follows its imports, so
 * tests and what only they use are left out. Programs that import the package use this; the command runs the bundle
 * (bundle.js). `npm pack` runs this first.
 */

import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { GENERATED } from './proto.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

// A file that an earlier build left would be packed as well.
rmSync(dist, { recursive: true, force: true })
execFileSync(
  join(root, 'node_modules/.bin/tsc'),
  ['--project', join(import.meta.dirname, 'tsconfig.build.json')],
  { stdio: 'inherit' },
)
// tsc reads generated JavaScript by its declarations and does not copy it.
for (const file of GENERATED.flatMap((source) => [`${source}.js`, `${source}.d.ts`])) {
  copyFileSync(join(root, file), join(dist, file))
}
execFileSync(process.execPath, [join(import.meta.dirname, 'bundle.js'), '--must'], {
  stdio: 'inherit',
})
