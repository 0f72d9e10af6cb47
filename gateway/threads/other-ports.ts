/** What a gateway thread asks the core beside the port of storage: IAM and STS, and what it may keep of rights. */

import type { RequestContext } from '../../protocol/context.ts'
import type { Backend } from '../port/backend.ts'
import { IamError, type IamBackend } from '../port/iam-backend.ts'
import type { InTurns } from '../port/in-turns.ts'
import type { RightsSource } from '../port/rights.ts'
import { servedCall, type IamRun } from './iam-run.ts'
import type { CorePort } from './messages.ts'

export interface OtherPortsOptions {
  readonly backend: Backend
  /** What the thread may keep. Without it the thread keeps nothing. */
  readonly rights?: RightsSource | undefined
  /** Answers IAM and STS; its long work takes turns here. Without it their calls fail. */
  readonly iam?: { readonly backend: IamBackend; readonly inTurns: InTurns } | undefined
}

/** Calls by the names of `METHODS`, each with the core's call as its first argument. */
export class OtherPorts {
  readonly timedCredential: (
    context: RequestContext,
    ...args: Parameters<RightsSource['timedCredential']>
  ) => ReturnType<RightsSource['timedCredential']>
  readonly timedAccess: RightsSource['timedAccess']
  readonly runIam: IamRun
  readonly entityOf: CorePort['entityOf']

  constructor({ backend, rights, iam }: OtherPortsOptions) {
    this.timedCredential = async (_, accessKeyId, token, ageMs) => {
      if (rights !== undefined) return rights.timedCredential(accessKeyId, token, ageMs)
      const found =
        token === undefined
          ? backend.credential(accessKeyId)
          : backend.sessionCredential(accessKeyId, token)
      return { value: await found, usableMs: 0 }
    }
    this.timedAccess = async (call, bucket, ageMs) => {
      if (rights !== undefined) return rights.timedAccess(call, bucket, ageMs)
      return { value: await backend.bucketAccess(call, bucket), usableMs: 0 }
    }
    this.runIam = async (call, plain) => {
      if (iam === undefined) throw notServed()
      return iam.backend.run(servedCall(call, plain, iam.inTurns))
    }
    this.entityOf = async (...args) => {
      if (iam === undefined) throw notServed()
      return iam.backend.entityOf(...args)
    }
  }
}

function notServed(): IamError {
  return new IamError('NotImplemented', 501, 'IAM and STS are not served here.')
}
