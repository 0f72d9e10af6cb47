/** Where a node of a calm cluster has the register of an object. */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { LogPosition } from '../../node/log/types.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { nodeOf } from './calm-cluster.ts'

const ROWS_MAX = 10_000

interface StoredRegister {
  readonly key: RegisterKey
  readonly position: LogPosition
}

/** The last register whose key ends with `name`, tombstones included; undefined when the node has none. */
export function findRegister(
  cluster: SimulatedCluster,
  node: number,
  name: string,
): StoredRegister | undefined {
  let found: StoredRegister | undefined
  nodeOf(cluster, node).store.range(bytesOf('r'), bytesOf('s'), ROWS_MAX, (rowKey, row) => {
    const key = byteString(rowKey.subarray(1)) as RegisterKey
    if (key.endsWith(name)) found = { key, position: decodePosition(row) }
  })
  return found
}

/** As above. Throws when the node has none. */
export function storedRegister(
  cluster: SimulatedCluster,
  node: number,
  name: string,
): StoredRegister {
  const found = findRegister(cluster, node, name)
  if (found === undefined) throw new Error(`node ${node} has no register ${name}`)
  return found
}
