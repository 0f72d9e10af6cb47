/**
 * The admin port's backend before the node is up. The port answers from the first moment: `/health/live` with 200,
 * `/health/ready` with the reason why the node is not ready, and everything else with 503.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { AdminBackend } from '../../gateway/port/admin.ts'

/**
 * Takes the place of the node until `serves` is called, and passes everything on to it from then on. So
 * the admin port keeps one backend for its whole life.
 */
export class StartingAdmin {
  /** For the admin port. */
  readonly backend: AdminBackend
  #node: AdminBackend | undefined
  /** The reason that `/health/ready` gives. */
  #doing = 'starting'

  constructor(gauges: AdminBackend['gauges']) {
    const early: Pick<AdminBackend, 'notReadyReason' | 'gauges'> = {
      notReadyReason: () => this.#doing,
      gauges,
    }
    // Every other question, whatever the backend will be able to answer.
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

  /** Says what the start is doing, for example 'reading the log', and how much of it is done. */
  doing(task: string, done?: number, total?: number): void {
    const share = done === undefined || total === undefined || total === 0 ? '' : part(done, total)
    this.#doing = `${task}${share}`
  }

  /** The node is up: it answers from now on. */
  serves(node: AdminBackend): void {
    this.#node = node
  }
}

function part(done: number, total: number): string {
  return `: ${Math.floor((100 * done) / total)} %`
}
