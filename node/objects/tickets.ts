/** Tickets of completions in their object's register (P4, G5): see protocol/object/object.ts. */

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

  /** Before the upload says "completing". */
  async admit(
    context: RequestContext,
    place: UploadPlace,
    ticket: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    await this.#edit(context, place, (record) => withTicket(record, ticket))
  }

  /** Removes a ticket that may not be used any more. */
  async withdraw(context: RequestContext, place: UploadPlace, ticket: Uint8Array): Promise<void> {
    await this.#edit(context, place, (record) =>
      ticketState(record, ticket) === 'gone' ? undefined : withoutTicket(record, ticket),
    )
  }

  /** From now on the version of the ticket is not written. `gone`: it was written already. */
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

  /** All tickets in the object. */
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
