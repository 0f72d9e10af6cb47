/** Why an operation on a register is answered 503: the texts reach the client. */

import { OverloadedError, StoreError } from '../../protocol/errors.ts'

/** Nothing was sent: the change waited behind others until its deadline. */
export function crowded(): StoreError {
  return new OverloadedError('too many changes of this key are waiting')
}

/** Not 507: a replica may have stored it all the same (P4). */
export function noRoom(): StoreError {
  return new StoreError('Unavailable', 'a majority of the replicas have no room left')
}

/** It may or may not be known that nothing has happened: the client may retry. */
export function unavailable(): StoreError {
  return new StoreError('Unavailable', 'no majority of the replicas answered in time')
}
