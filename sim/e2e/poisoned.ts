/**
 * `npm run e2e:poisoned` loads this file into every node that runs from the sources. Its pools then overwrite each buffer
 * that is given back, and so does the pool that is shared with gateway threads. Code that still reads such a buffer
 * fails on a checksum.
 */

import { poisonPools } from '../../node/tools/poison.ts'

poisonPools(true)
