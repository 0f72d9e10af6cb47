/** A fence that does not come to be known holds up nothing for ever (P1, T8). */

import { expect, test } from 'vitest'
import { outcomesBehindFence } from '../testing/scripted-replicas.ts'

test('a change whose fence is never known is answered, and the next change of its key goes on', async () => {
  expect(await outcomesBehindFence()).toEqual(['Unavailable', 'ok'])
})
