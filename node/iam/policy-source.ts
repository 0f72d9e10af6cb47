/** Principals whose policies are looked at as a whole: by simulations, and for the condition keys in them. */

import type { PolicyText } from '../../gateway/port/identity.ts'
import type { IamCall } from '../../gateway/port/iam-backend.ts'
import type { GroupRecord } from '../../protocol/iam/group-record.ts'
import type { Principal } from '../../protocol/iam/principal.ts'
import type { UserRecord } from '../../protocol/iam/user-record.ts'
import { noSuchEntity } from './errors.ts'
import {
  boundaryText,
  groupPolicies,
  rolePolicies,
  userPolicies,
  type RecordReader,
} from './holdings.ts'
import { textParameter } from './parameters.ts'
import { byId, byName, GROUP, nameKind, USER, type Records } from './records.ts'
import type { Roles } from './roles.ts'

/** Account, kind, path with its slashes, name. */
const ARN = /^arn:aws:iam::([0-9]{12}):(user|group|role)(\/(?:[!-~]{1,510}\/)?)([\w+=,.@-]{1,128})$/

/** The principal whose policies are simulated. */
export interface HeldPolicies {
  /** Who the simulated request comes from. */
  readonly caller: Principal
  /** The policies that the principal really holds. */
  readonly policies: readonly PolicyText[]
  /** The permissions boundary that it really has. */
  readonly boundary?: PolicyText | undefined
}

export interface PolicySourceOptions {
  readonly records: Records
  readonly roles: Roles
}

/** A principal of the caller's account. Throws NoSuchEntity. */
export async function policySource(
  call: IamCall,
  { records, roles }: PolicySourceOptions,
  arn: string,
): Promise<HeldPolicies> {
  const { context, caller } = call
  const read: RecordReader = (kind, name) => records.read(context, kind, name)
  const [, accountId = '', kind, path, name = ''] = ARN.exec(arn) ?? []
  const missing = (): Error => noSuchEntity('entity', arn)
  if (accountId !== caller.accountId) throw missing()
  const callerArn = textParameter(call, 'CallerArn') ?? arn
  switch (kind) {
    case 'user': {
      const user = await named<UserRecord>(read, USER, accountId, name)
      if (user === undefined || user.path !== path) throw missing()
      return {
        caller: { ...simulatedUser(accountId, callerArn), userId: user.id, userName: user.name },
        policies: await userPolicies(read, user),
        boundary: await boundaryText(read, user),
      }
    }
    case 'group': {
      const group = await named<GroupRecord>(read, GROUP, accountId, name)
      if (group === undefined || group.path !== path) throw missing()
      return {
        caller: simulatedUser(accountId, callerArn),
        policies: await groupPolicies(read, group),
      }
    }
    case 'role': {
      const role = await roles.ofArn(context, arn)
      if (role === undefined) throw missing()
      return {
        caller: {
          accountId,
          arn: `arn:aws:sts::${accountId}:assumed-role/${role.name}/simulated`,
          roleArn: callerArn,
          type: 'AssumedRole',
          isRoot: false,
          userId: `${role.id}:simulated`,
        },
        policies: await rolePolicies(read, role),
        boundary: await boundaryText(read, role),
      }
    }
    case undefined:
    default:
      throw missing()
  }
}

/** A user or group by name, with its record. */
async function named<T extends { readonly name: string }>(
  read: RecordReader,
  kind: Parameters<typeof read<T>>[0],
  accountId: string,
  name: string,
): Promise<T | undefined> {
  const pointer = await read(nameKind(kind.space), byName(accountId, name))
  const record = pointer && (await read(kind, byId(accountId, pointer.id)))
  return record?.name === name ? record : undefined
}

/** The principal of a simulation that is not about a real user. Conditions see 'simulated' as its id. */
export function simulatedUser(accountId: string, arn: string): Principal {
  return {
    accountId,
    arn,
    type: 'User',
    isRoot: false,
    userId: 'simulated',
    userName: arn.slice(arn.lastIndexOf('/') + 1),
  }
}
