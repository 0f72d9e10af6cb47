/**
 * `npm run e2e:poisoned`: every node is started with this file before everything else. It makes the pools overwrite each
 * buffer that is given back, those that are shared with gateway threads too. Whoever still reads such a buffer then
 * fails on a checksum.
 */

import { poisonPools } from '../../node/tools/poison.ts'

poisonPools(true)
