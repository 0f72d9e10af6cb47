/**
 * Tickets of completions in their object's register (P4, G5). A ticket is the permission to write one version once, for one attempt
 * of one upload; protocol/object/object.ts holds its states:
 *
 *   good      admitted, and its version is not written yet
 *   refused   its version will never be written: the sweep or a failed condition took it back
 *   gone      not in the object: its version was written, or it was withdrawn
 *
 * Called by completion.ts and upload-sweeper.ts. Changes of tickets leave the object's versions alone.
 */

import type { ObjectRecord } from '../../protocol/codec/versioned.ts'
import {
  objectOf,
  objectValue,
  ticketState,
  withoutTicket,
  withRefusedTicket,
  withTicket,
} from '../../protocol/object/object.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { UploadPlace } from './upload-record.ts'

export class Tickets {
  readonly #registers: RegisterClient

  constructor(registers: RegisterClient) {
    this.#registers = registers
  }

  /** Puts the ticket into the object, before the upload says "completing". From then on the version may be written. */
  async admit(
    context: RequestContext,
    place: UploadPlace,
    ticket: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    await this.#edit(context, place, (record) => withTicket(record, ticket))
  }

  /** Removes a ticket that may not be used any more: no upload is "completing" with it, or ever will be. */
  async withdraw(context: RequestContext, place: UploadPlace, ticket: Uint8Array): Promise<void> {
    await this.#edit(context, place, (record) =>
      ticketState(record, ticket) === 'gone' ? undefined : withoutTicket(record, ticket),
    )
  }

  /**
   * Refuses the ticket, so that its version is not written from now on. `gone`: it was written already, or the ticket
   * was withdrawn.
   */
  async refuse(
    context: RequestContext,
    place: UploadPlace,
    ticket: Uint8Array,
  ): Promise<'refused' | 'gone'> {
    const record = await this.#edit(context, place, (record) =>
      ticketState(record, ticket) === 'good' ? withRefusedTicket(record, ticket) : undefined,
    )
    return ticketState(record, ticket) === 'refused' ? 'refused' : 'gone'
  }

  /** All tickets in the object, refused ones too. Linearizable. */
  async list(
    context: RequestContext,
    place: Pick<UploadPlace, 'object' | 'fence'>,
  ): Promise<ObjectRecord['uploads']> {
    const { accepted } = await this.#registers.read(context, {
      key: place.object,
      fence: place.fence,
    })
    return objectOf(accepted?.value).uploads
  }

  /**
   * One change of the record. `edit` may be called again on each retry; undefined keeps the record. Resolves with the
   * record that is chosen then.
   */
  async #edit(
    context: RequestContext,
    { object, fence }: Pick<UploadPlace, 'object' | 'fence'>,
    edit: (record: ObjectRecord) => ObjectRecord | undefined,
  ): Promise<ObjectRecord> {
    const outcome = await this.#registers.change(context, {
      key: object,
      fence,
      change: (value, chosen) => {
        const next = edit(objectOf(value))
        if (next === undefined) return { keep: true }
        return { write: objectValue(object, next, { before: value, chosen }) }
      },
    })
    const value = outcome.type === 'written' ? outcome.value : outcome.current?.value
    return objectOf(value)
  }
}
