/**
 * Claims on names. A register of the name holds the id of a record and a token. It claims the name for that record, and
 * the record itself says whether it has the name. names.ts uses it for names within an account, aliases.ts for those of
 * the whole cluster.
 *
 * Invariants:
 *   - a record gets a name in three changes: (1) a token is put into the record, (2) the register of the name is set to
 *     the record's id and this token, (3) the record gets the name if it still has the token, which goes. A record that
 *     is new has its name before (2), and no token
 *   - a request that wants a name that another record claims and does not have removes that record's token first: then
 *     (3) never happens, and the name is free
 *   - so while a record has a name, the register of the name holds its id
 *   - a register is removed only by the token that it had before the record gave up the name: a later claim of the same
 *     record has another one
 */

import type { NameRecord } from '../../protocol/iam/name-record.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { byName, nameKind, type RecordKind, type Records } from './records.ts'

/** Where the records are that names belong to, and what they say about their names. */
export interface NameClaimsOptions<T> {
  readonly records: Records
  /** The registers of the names are in its space. */
  readonly kind: RecordKind<T>
  /** The name under which the record with this id is stored. `scope` is where names are unique: an account, or ''. */
  readonly recordName: (scope: string, id: string) => string
  /** The name that the record has. '' when it has none. */
  readonly nameOf: (record: T) => string
  /** The token of step (1). Undefined or '' when there is none. */
  readonly tokenOf: (record: T) => string | undefined
  /** The record without its token. */
  readonly withoutToken: (record: T) => T
}

/** A name, and where it is unique. */
export interface ScopedName {
  readonly scope: string
  readonly name: string
}

/** Step (2) for one kind of record, and what follows when a name is given up. Holds no state. */
export class NameClaims<T> {
  readonly #options: NameClaimsOptions<T>

  constructor(options: NameClaimsOptions<T>) {
    this.#options = options
  }

  /** What the register of the name says. The record decides whether that is so. Throws StoreError Unavailable. */
  holder(context: RequestContext, { scope, name }: ScopedName): Promise<NameRecord | undefined> {
    const { records, kind } = this.#options
    return records.read(context, nameKind(kind.space), byName(scope, name))
  }

  /**
   * Step (2): makes the register of the name hold this id and token. Returns false when another record has the name. A
   * claim that leads to nothing is taken over.
   */
  async claim(context: RequestContext, wanted: ScopedName, claim: NameRecord): Promise<boolean> {
    const { records, kind } = this.#options
    const register = byName(wanted.scope, wanted.name)
    for (;;) {
      const held = await this.holder(context, wanted)
      if (held !== undefined && held.id !== claim.id) {
        if (!(await this.#wrest(context, wanted, held))) return false
      }
      const { written } = await records.change(
        context,
        nameKind(kind.space),
        register,
        (current) => {
          const free =
            current === undefined || current.id === claim.id || current.token === held?.token
          return free ? { write: claim } : { keep: true }
        },
      )
      if (written) return true
    }
  }

  /** True when this claim will never lead to a name: no change that is under way can set the name any more, and one
   * that begins now makes a new claim. */
  async #wrest(
    context: RequestContext,
    { scope, name }: ScopedName,
    held: NameRecord,
  ): Promise<boolean> {
    const { records, kind, recordName, nameOf, tokenOf, withoutToken } = this.#options
    const { after } = await records.change(context, kind, recordName(scope, held.id), (current) => {
      if (current === undefined || nameOf(current) === name || !tokenOf(current)) {
        return { keep: true }
      }
      return { write: withoutToken(current) }
    })
    return after === undefined || nameOf(after) !== name
  }

  /**
   * Removes the register of a name that the record has given up. `token` is that of the register from before. Nothing
   * happens when the name was claimed again meanwhile.
   */
  async release(
    context: RequestContext,
    { scope, name }: ScopedName,
    token: string,
  ): Promise<void> {
    const { records, kind } = this.#options
    await records.change(context, nameKind(kind.space), byName(scope, name), (current) =>
      current?.token === token ? { remove: true } : { keep: true },
    )
  }
}
