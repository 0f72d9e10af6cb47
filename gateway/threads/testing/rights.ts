/** A core that reads rights on a clock of the test, as the caches of a node do: nothing is older than a second. */

import type { Backend } from '../../port/backend.ts'
import { RIGHTS_AGE_MS, type RightsSource } from '../../port/rights.ts'

export interface RightsCore {
  readonly rights: RightsSource
  /** How old what the core answers is. */
  ageMs: number
  /** What the thread has asked: 'credential ID', 'access BUCKET'. */
  readonly asked: string[]
  /** As a node that has changed something, before it answers. */
  forget(): void
}

/** Answers from the backend. */
export function rightsOf(backend: Backend): RightsCore {
  const listeners: (() => void)[] = []
  const core: RightsCore = {
    ageMs: 0,
    asked: [],
    forget: () => listeners.forEach((listener) => listener()),
    rights: {
      timedCredential: async (id, token, ageMs) => {
        core.asked.push(`credential ${id}`)
        const value = await (token === undefined
          ? backend.credential(id)
          : backend.sessionCredential(id, token))
        return { value, usableMs: RIGHTS_AGE_MS - Math.min(core.ageMs, ageMs) }
      },
      timedAccess: async (context, bucket, ageMs) => {
        core.asked.push(`access ${bucket}`)
        const value = await backend.bucketAccess(context, bucket)
        return { value, usableMs: RIGHTS_AGE_MS - Math.min(core.ageMs, ageMs) }
      },
      onForget: (listener) => void listeners.push(listener),
    },
  }
  return core
}

const CHANGES: ReadonlySet<string | symbol> = new Set([
  'createBucket',
  'deleteBucket',
  'changeBucket',
])

/** The backend, and what it does when it changes a bucket: it forgets before it answers. */
export function forgetful(backend: Backend, core: RightsCore): Backend {
  return new Proxy(backend, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>
      if (!CHANGES.has(name)) return typeof method === 'function' ? method.bind(target) : method
      return (...args: unknown[]) => method.apply(target, args).finally(() => core.forget())
    },
  })
}
