/**
 * Keeps what V8 has compiled, so that the next start need not compile it again. Node keeps the files of each user and
 * each of its versions apart, and checks them against the code.
 */

import { enableCompileCache, flushCompileCache, constants } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Called before the program is loaded. Does nothing where Node was given a cache by NODE_COMPILE_CACHE, and where no
 * directory can be written.
 *
 * @param entry the script
 */
export function cacheCompiledCode(entry: string, env: NodeJS.ProcessEnv = process.env): void {
  for (const directory of cacheDirectories(entry, env)) {
    if (enableCompileCache(directory).status !== constants.compileCacheStatus.FAILED) return
  }
}

/**
 * Where to keep it, the best place first: beside the code, for whoever may write there could change the code as well;
 * and where a user's caches are. Never in a directory for all users, who could put code of theirs into it.
 */
export function cacheDirectories(entry: string, env: NodeJS.ProcessEnv): string[] {
  const fromSources = entry.endsWith('.ts')
  const beside = join(entry, fromSources ? '../../node_modules/.cache/shoal' : '../cache')
  return [beside, join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'shoal')]
}

/** Called when the node serves. A process that is killed later would not keep anything otherwise. */
export function keepCompiledCode(): void {
  flushCompileCache()
}
