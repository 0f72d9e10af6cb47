/** The context of work that no client asked for: repair, mending, looking up. */

import type { RequestContext } from '../../protocol/context.ts'

export function internalContext(): RequestContext {
  return { operation: 'internal', signal: new AbortController().signal, rounds: 0 }
}
