/**
 * What a gateway thread runs: the S3 port's server, whose store is the core's, across the port (gateway/threads/). A file of
 * its own in the bundle. It loads neither network nor index.
 *
 * It does what it is told over its parent port (thread-messages.ts) and ends with its process. When an assertion fails here,
 * the thread ends at once, whatever would catch the error, and the core ends the process.
 */

import { enableCompileCache, flushCompileCache } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import type { ThreadOptions } from './thread-messages.ts'

const options = workerData as ThreadOptions
// Before the rest is loaded, as in main.ts.
if (options.codeCache !== undefined) enableCompileCache(options.codeCache)
const { serveInThread } = await import('./thread-server.ts')
if (parentPort !== null) serveInThread(options, parentPort, flushCompileCache)
