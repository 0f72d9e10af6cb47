/** Wires notifications of buckets. */

import { Notifications } from '../notifications/notifications.ts'
import type { NodeBase } from './node-base.ts'

const QUEUE_BYTES = 64 * 2 ** 20
const AGE_MS = 24 * 3_600_000

export function wireNotifications({ env, options }: NodeBase): Notifications {
  const { clock, random, disk, outgoing, logger } = env
  const {
    webhooks = [],
    queueBytesMax = QUEUE_BYTES,
    ageMsMax = AGE_MS,
  } = options.notifications ?? {}
  return new Notifications({
    clock,
    random,
    disk,
    outgoing,
    logger,
    webhooks,
    queueBytesMax,
    ageMsMax,
  })
}
