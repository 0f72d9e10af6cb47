/**
 * Checks of what others deliver to pure code: a message of a peer, a request of a caller, bytes of the disk, a
 * configuration. What they get wrong is an error that the host handles, never a bug of this program. So one faulty peer
 * or damaged row fails the operation that met it (a refused message, an answer 500), and the node goes on.
 *
 * Which check where: `assert` (assert.ts) is only for what this program alone decides; it stops the node. `checkInput` is for
 * all else, also where a caller in another room has checked the same before. docs/correctness.md, section 10.
 */

/** A peer, a caller, a disk or a configuration delivered what no sound program writes. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** Throws InputError when the condition does not hold. `message` is a constant: say what must hold. */
export function checkInput(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InputError(message)
}
