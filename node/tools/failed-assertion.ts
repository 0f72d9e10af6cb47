/**
 * The one line that a node ends with when an assertion fails (docs/correctness.md, section 10). Called by node/start,
 * by the log, and by the command line.
 */

import type { AssertionError } from '../../protocol/assert.ts'

/** Exit code of a process that an assertion has ended: EX_SOFTWARE of sysexits.h. No other failure has it. */
export const BUG_EXIT_CODE = 70

/** For example `assertion failed in RegisterProposer.#prepare (protocol/register/proposer.ts:165): counters rise (P1)`. */
export function assertionText({ message, stack }: AssertionError): string {
  const place = placeIn(stack ?? '')
  return `assertion failed${place === undefined ? '' : ` in ${place}`}: ${message}`
}

/** What the node says when it stops. */
export function stopLine(failed: AssertionError): string {
  return `${assertionText(failed)}. This is a bug in Shoal; the node stops so that it writes nothing wrong`
}

/** Function, file and line that called `assert`. Undefined when the stack does not say. */
function placeIn(stack: string): string | undefined {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const caller = frames.find((line) => !/[\\/]protocol[\\/]assert\.[jt]s:/.test(line))
  const found = /^\s+at (?:async )?(?:(.+) \()?(?:file:\/\/)?(\S+?):(\d+):\d+\)?$/.exec(
    caller ?? '',
  )
  if (found === null) return undefined
  const [, name, path, line] = found
  // The path inside Shoal: the one before it names a machine.
  const file = /.*[\\/]((?:protocol|gateway|node)[\\/].+)$/.exec(path!)?.[1] ?? path
  return name === undefined ? `${file}:${line}` : `${name} (${file}:${line})`
}
