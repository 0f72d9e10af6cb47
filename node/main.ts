#!/usr/bin/env -S node --max-semi-space-size=8 --max-old-space-size=1024
/** Entry of the `shoal` command. */

import './cli/threads.ts'
import { cacheCompiledCode } from './cli/compile-cache.ts'

// Before the rest is loaded: only what is loaded afterwards is kept.
cacheCompiledCode(import.meta.filename)
const { runCommandLine } = await import('./cli/program.ts')
const exitCode = await runCommandLine(process.argv.slice(2), import.meta.filename)
await new Promise((resolve) => process.stdout.write('', resolve))
// Handles that libraries still hold open must not keep a finished process alive.
process.exit(exitCode)
