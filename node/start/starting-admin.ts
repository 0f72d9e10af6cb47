/**
 * What the admin port says before there is a node to ask: the port answers from the first moment on, live, and
 * not ready with the reason; the rest is 503 until then.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'

export class StartingAdmin {
  /** For the admin port. */
  readonly backend: AdminBackend
  #node: AdminBackend | undefined
  #doing = 'starting'

  constructor(gauges: AdminBackend['gauges']) {
    const early: Pick<AdminBackend, 'notReadyReason' | 'gauges'> = {
      notReadyReason: () => this.#doing,
      gauges,
    }
    const absent = (): never => {
      throw new StoreError('Unavailable', `the node is not up yet: ${this.#doing}`)
    }
    this.backend = new Proxy(early as AdminBackend, {
      get: (target, name) => {
        if (this.#node === undefined) return (Reflect.get(target, name) as unknown) ?? absent
        const value: unknown = Reflect.get(this.#node, name)
        return typeof value === 'function' ? (value.bind(this.#node) as unknown) : value
      },
    })
  }

  /** 'reading the log', 40 of 100 bytes. */
  doing(task: string, done?: number, total?: number): void {
    const share = done === undefined || total === undefined || total === 0 ? '' : part(done, total)
    this.#doing = `${task}${share}`
  }

  serves(node: AdminBackend): void {
    this.#node = node
  }
}

function part(done: number, total: number): string {
  return `: ${Math.floor((100 * done) / total)} %`
}
