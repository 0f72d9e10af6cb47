/** Waits until a node is ready: it is a member and serves, but a majority of the members may not be up yet. */

import type { AdminBackend } from '../../gateway/port/admin.ts'
import type { Environment } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { removedLine } from '../layout/former.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import { UsageError } from '../tools/usage-error.ts'

const POLL_MS = 50
const WAIT_MS = 15_000
/** A new reason is logged when it has lasted this long: most pass quickly. */
const REPORT_CHANGE_MS = 500
/** The same reason is logged again after this long. */
const REPORT_MS = 10_000

type Env = Pick<Environment, 'clock' | 'logger'>
type Health = Pick<AdminBackend, 'notReadyReason'>

/**
 * Resolves when the node is ready, or after `waitMs`: a start must not fail because others are away.
 * Never rejects.
 */
export async function readyWithin({ clock }: Env, health: Health, waitMs = WAIT_MS): Promise<void> {
  const until = clock.monotonicMs() + waitMs
  while (health.notReadyReason() !== undefined && clock.monotonicMs() < until)
    await sleep(clock, POLL_MS)
}

/**
 * Resolves when the node is ready, or stopped. Logs what it waits for when that changes, and now and then. Throws
 * UsageError when the node learns that it was removed: it will never be ready.
 */
export async function untilReady(
  { clock, logger }: Env,
  health: Health,
  stopped: () => boolean,
  layout: Pick<LayoutManager, 'leftIn' | 'role'>,
): Promise<void> {
  const startMs = clock.monotonicMs()
  let reported: string | undefined
  let reportedMs = startMs
  for (;;) {
    const reason = health.notReadyReason()
    if (reason === undefined || stopped()) return
    const left = layout.leftIn()
    if (left !== undefined && layout.role() === undefined) throw new UsageError(removedLine(left))
    const nowMs = clock.monotonicMs()
    if (nowMs - reportedMs >= (reason === reported ? REPORT_MS : REPORT_CHANGE_MS)) {
      logger.warn({ reason, seconds: Math.round((nowMs - startMs) / 1_000) }, 'not ready yet')
      reported = reason
      reportedMs = nowMs
    }
    await sleep(clock, POLL_MS)
  }
}
