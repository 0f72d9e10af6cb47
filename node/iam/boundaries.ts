/**
 * Permissions boundaries of users and roles: a managed policy that limits what their own policies allow. The record of
 * the user or role decides; the policy's list of those that it bounds is a superset, and keeps the policy from being
 * deleted as in attachments.ts.
 *
 * A boundary that goes or is replaced may give rights: then the caller must have what the user or role may do
 * afterwards (F31). Rights that are given meanwhile, because the boundary limits them, are compared with the boundary's
 * token (attachments.ts, holder-policies.ts), and here with the policies: one of two such changes at once fails.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { IamError, type IamCall, type IamResult } from '../../gateway/port/iam-backend.ts'
import type { BoundedHolder, BoundedRecord } from '../../protocol/iam/entity.ts'
import type { PolicyRecord } from '../../protocol/iam/policy-record.ts'
import type { AttachedPolicy } from '../../protocol/iam/record.ts'
import type { Random } from '../env/ports.ts'
import { concurrentModification, noSuchEntity } from './errors.ts'
import type { HolderPoliciesOptions, HolderSource } from './holder-policies.ts'
import { sameHoldings, textOfManaged } from './holdings.ts'
import { drawToken } from './ids.ts'
import { requiredText, textParameter } from './parameters.ts'
import type { PolicyUses } from './policy-uses.ts'
import type { IamActions } from './service.ts'

/** Sets and removes boundaries. Holds no state. */
export class Boundaries {
  readonly #uses: PolicyUses
  readonly #random: Random

  constructor(uses: PolicyUses, random: Random) {
    this.#uses = uses
    this.#random = random
  }

  /** PutUserPermissionsBoundary and DeleteUserPermissionsBoundary, or those of roles. */
  actions<T extends BoundedHolder>(
    source: HolderSource<T>,
    options: Pick<HolderPoliciesOptions, 'rights'>,
  ): IamActions {
    const { word } = source
    return {
      [`Put${word}PermissionsBoundary`]: (call) => this.#put(call, source, options),
      [`Delete${word}PermissionsBoundary`]: (call) => this.#delete(call, source, options),
    }
  }

  /**
   * Creates a user or role with the boundary that the call names, or without one. `create` writes the record; `undo`
   * removes it when the policy was deleted meanwhile. Throws IamError NoSuchEntity, and what `create` throws.
   */
  async whileEntered(
    call: IamCall,
    id: string,
    create: (bounded: BoundedRecord) => Promise<void>,
    undo: () => Promise<void>,
  ): Promise<void> {
    const arn = textParameter(call, 'PermissionsBoundary')
    if (arn === undefined) return create({})
    const { policy, boundary } = await this.#enter(call, id, arn)
    try {
      await create({ boundary })
    } catch (error) {
      if (error instanceof IamError) await this.left(call.context, policy.accountId, id, boundary)
      throw error
    }
    if (await this.#uses.exists(call.context, policy)) return
    await undo()
    throw concurrentModification()
  }

  /** Once a user or role is gone, or has another boundary: takes it out of the policy's list. */
  async left(
    context: RequestContext,
    accountId: string,
    id: string,
    boundary: AttachedPolicy | undefined,
  ): Promise<void> {
    if (boundary === undefined) return
    const policy = { accountId, id: boundary.id }
    await this.#uses.leave(context, policy, 'bounded', id, boundary.token)
  }

  async #put<T extends BoundedHolder>(
    call: IamCall,
    source: HolderSource<T>,
    { rights }: Pick<HolderPoliciesOptions, 'rights'>,
  ): Promise<IamResult> {
    const { context } = call
    const arn = requiredText(call, 'PermissionsBoundary')
    const holder = await source.find(call)
    const { accountId, id, boundary: before } = holder
    const { policy, boundary } = await this.#enter(call, id, arn)
    try {
      // The first boundary only takes away.
      if (before !== undefined) {
        for (const bearer of await source.bearers(call, holder)) {
          await rights.mustCoverBearer(call, { ...bearer, boundary: textOfManaged(arn, policy) })
        }
      }
      await source.change(context, holder, (current) => {
        if (!sameHoldings(current, holder)) throw concurrentModification()
        return { write: { ...current, boundary } }
      })
    } catch (error) {
      // After any other failure it is not known whether the change has happened: the list is a superset.
      if (error instanceof IamError) await this.left(context, accountId, id, boundary)
      throw error
    }
    if (await this.#uses.exists(context, policy)) {
      await this.left(context, accountId, id, before)
      return {}
    }
    // A boundary that is gone denies everything. What was given under it meanwhile must not be without it.
    await source.change(context, holder, (current) => {
      if (current.boundary?.token !== boundary.token) return { keep: true }
      if (!sameHoldings({ ...current, boundary: before } as T, holder)) return { keep: true }
      return { write: withBoundary(current, before) }
    })
    throw concurrentModification()
  }

  async #delete<T extends BoundedHolder>(
    call: IamCall,
    source: HolderSource<T>,
    { rights }: Pick<HolderPoliciesOptions, 'rights'>,
  ): Promise<IamResult> {
    const { context } = call
    const holder = await source.find(call)
    const { accountId, id, name, boundary } = holder
    if (boundary === undefined) throw noSuchEntity('permissions boundary of', name)
    for (const bearer of await source.bearers(call, holder)) {
      await rights.mustCoverBearer(call, { ...bearer, boundary: undefined })
    }
    await source.change(context, holder, (current) => {
      if (!sameHoldings(current, holder)) throw concurrentModification()
      return { write: withBoundary(current, undefined) }
    })
    await this.left(context, accountId, id, boundary)
    return {}
  }

  /** Enters the holder in the policy's list. Throws IamError NoSuchEntity, LimitExceeded. */
  async #enter(
    { context, caller }: IamCall,
    id: string,
    arn: string,
  ): Promise<{ readonly policy: PolicyRecord; readonly boundary: AttachedPolicy }> {
    const found = await this.#uses.find(context, caller.accountId, arn).catch((error: unknown) => {
      if (!(error instanceof IamError) || error.code !== 'NoSuchEntity') throw error
      const message = `Scope ARN: ${arn} does not exist or is not attachable.`
      throw new IamError('NoSuchEntity', 404, message)
    })
    const token = drawToken(this.#random)
    const policy = await this.#uses.enter(context, found, 'bounded', id, token)
    return { policy, boundary: { arn, id: policy.id, token } }
  }
}

/** The PermissionsBoundary element of an answer; undefined without one. */
export function shownBoundary({ boundary }: BoundedRecord): IamResult | undefined {
  return boundary && { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: boundary.arn }
}

/** A field without a value is left out of the record. */
function withBoundary<T extends BoundedHolder>(record: T, boundary: AttachedPolicy | undefined): T {
  const { boundary: _, ...rest } = record
  return { ...rest, ...(boundary !== undefined && { boundary }) } as T
}
