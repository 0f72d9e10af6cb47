/** A node's ports with some methods replaced: how tests and mutants come between a node and its disk or network. */

import type { Environment, Network } from '../../node/env/ports.ts'

/** The same object with some methods replaced. */
export function withMethods<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get(real, name) {
      if (name in changes) return changes[name as keyof T]
      const value: unknown = Reflect.get(real, name, real)
      return typeof value === 'function' ? (value.bind(real) as unknown) : value
    },
  })
}

export function withNetwork(environment: Environment, changes: Partial<Network>): Environment {
  return { ...environment, network: withMethods(environment.network, changes) }
}
