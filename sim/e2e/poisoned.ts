/**
 * Loaded into nodes before their own code, poisons their buffer pools (node/tools/poison.ts):
 *
 *   NODE_OPTIONS=--import=$PWD/sim/e2e/poisoned.ts npm run e2e
 */

import { poisonPools } from '../../node/tools/poison.ts'

poisonPools(true)
