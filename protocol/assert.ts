/**
 * Assertions: what can only be false because of a bug in this program. They stay on in production. One that fails stops the
 * node, because a node whose state is not what its code believes must write nothing more (docs/correctness.md,
 * section 10). What peers, callers, disks and configurations can get wrong is no assertion: see input.ts.
 *
 * Invariants:
 *   - the reporters are told before the error is thrown, so that no `catch` on its way can hide it
 *   - this file touches no process: `onFailedAssertion` says what to call
 */

/** This program is wrong. Where a node runs, its process has ended before this reaches a `catch`. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Told of each failed assertion. A node's process ends in it; a simulation writes down a violation and returns. */
export type AssertionReporter = (failed: AssertionError) => void

const reporters = new Set<AssertionReporter>()

/**
 * From now on `reporter` is told of every assertion that fails in this process. Called when a node starts (node/start) and
 * when a simulation begins. Returns what takes the reporter away again.
 */
export function onFailedAssertion(reporter: AssertionReporter): () => void {
  reporters.add(reporter)
  return () => void reporters.delete(reporter)
}

/**
 * Reports and throws AssertionError unless the condition holds. `message` is a constant that says what must hold, and its
 * rule: it must cost nothing when all is well.
 */
export function assert(condition: unknown, message = 'assertion failed'): asserts condition {
  if (!condition) fail(message)
}

/** Ends a `switch` over a union. */
export function unreachable(value: never): never {
  fail(`unreachable: ${String(value)}`)
}

function fail(message: string): never {
  const failed = new AssertionError(message)
  for (const report of reporters) report(failed)
  throw failed
}
