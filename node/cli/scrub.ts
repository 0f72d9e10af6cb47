/** `shoal scrub`: the node verifies now everything that it keeps, and repairs what it can. */

import type { ScrubStatus } from '../../gateway/port/status.ts'
import type { Clock } from '../env/ports.ts'
import type { AdminClient } from './admin-client.ts'
import { scrubLine } from './status.ts'
import type { Terminal } from './terminal.ts'
import { sleep } from '../tools/sleep.ts'

const POLL_MS = 300

/** Returns exit code 1 when something stays damaged or is lost, or when the scrub did not finish. */
export async function runScrub(
  client: AdminClient,
  options: { readonly json: boolean },
  terminal: Terminal,
  clock: Clock,
): Promise<number> {
  let status: ScrubStatus = await client.startScrub()
  while (status.running) {
    if (!options.json) terminal.draw([scrubLine(status, terminal.columns)])
    await sleep(clock, POLL_MS)
    status = await client.scrubStatus()
  }
  terminal.draw([])
  terminal.out(options.json ? JSON.stringify(status) : `scrub: ${scrubLine(status, 200)}`)
  return status.error === undefined && status.left === 0 && status.lost === 0 ? 0 : 1
}
