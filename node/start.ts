/** Assembles a node from its configuration. */

import type { Config } from './config.ts'
import type { NodeHooks, RunningNode } from './cli/running-node.ts'
import { UsageError } from './usage-error.ts'

export function startNode(_config: Config, _hooks: NodeHooks): Promise<RunningNode> {
  return Promise.reject(new UsageError('not implemented yet: start'))
}
