/** Full disks and accepts that may have been stored all the same (P4, F6). */

import { expect, test } from 'vitest'
import { CONFLICT, FULL, outcomeOf as outcome, TIMEOUT } from '../testing/scripted-replicas.ts'

test('507 where no replica has room, and none can have stored it', async () => {
  expect(await outcome([[FULL, FULL, FULL]])).toBe('InsufficientStorage')
  expect(await outcome([[FULL, FULL, FULL]], true)).toBe('InsufficientStorage')
  const refused = { ...CONFLICT, never: true } as const
  const lost = Object.assign(new Error('NOT_CONNECTED'), { maybeDelivered: false })
  expect(
    await outcome([
      [lost, refused, refused],
      [FULL, FULL, FULL],
    ]),
  ).toBe('InsufficientStorage')
})

test('503 where an earlier round may have stored it', async () => {
  for (const earlier of [TIMEOUT, CONFLICT]) {
    expect(
      await outcome([
        [earlier, CONFLICT, CONFLICT],
        [FULL, FULL, FULL],
      ]),
    ).toBe('Unavailable')
  }
})
