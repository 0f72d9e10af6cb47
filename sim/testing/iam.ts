/** Calls of IAM's and STS's API at one node of a simulated cluster, below HTTP. */

import type { Identity } from '../../gateway/port/identity.ts'
import type { IamResult } from '../../gateway/port/iam-backend.ts'
import { IAM_ACTIONS } from '../../gateway/iam/operations.ts'
import { checkParameters } from '../../gateway/iam/parameters.ts'
import { unfold } from '../../gateway/iam/query.ts'
import { rootIdentity } from '../../node/iam/resolve.ts'
import { finish } from '../../protocol/work.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { context, nodeOf } from './calm-cluster.ts'

/** The account that a simulated cluster is founded with. */
const ACCOUNT = '000000000001'
export const ROOT_USER = rootIdentity(ACCOUNT)
export const ALLOW =
  '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'

/** `parameters` as a form has them: `Tags.member.1.Key`. Rejects with what the action throws. */
export async function runAction(
  cluster: SimulatedCluster,
  node: number,
  action: string,
  parameters: Readonly<Record<string, string>>,
  caller: Identity = ROOT_USER,
): Promise<IamResult> {
  const row = IAM_ACTIONS.get(action)
  if (row === undefined) throw new Error(`${action} is not in the table of operations`)
  return nodeOf(cluster, node).iam.run({
    context: context(),
    caller,
    action,
    parameters: checkParameters(row.parameters, unfold(Object.entries(parameters))),
    nowMs: cluster.clock.nowMs(),
    conditions: new Map(),
    inTurns: finish,
  })
}
