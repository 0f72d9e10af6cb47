/** Programming errors stop the process; what the world can do wrong is a value (errors.ts). */

export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Stays on in production. */
export function assert(condition: unknown, message = 'assertion failed'): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Ends a `switch` over a union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
