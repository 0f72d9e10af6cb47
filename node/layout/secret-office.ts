/**
 * The cluster secret: which one is in force, which ones this node has, and how it is rotated.
 *
 *   1. A member draws the next secret, keeps it durably, and offers it to all members, which keep it durably, too.
 *   2. Once a majority has it, the member proposes the layout entry that names it. A member votes for such an entry only once
 *      it has the secret. So a decided secret is on the disks of a majority, even when members die.
 *   3. A member that adopts the entry without having the secret asks the others until it has it.
 *
 * When a rotation ends before the decision, nothing has changed, and the next rotation drops the offered secret. Only members
 * of P get the secret: a joiner once its own entry is STABLE, a former member never.
 */

import { bytesOfHex, hex, utf8 } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { fieldsOf, matchOf, parseJson } from '../../protocol/layout/json.ts'
import { generationOf, secretId, type SecretRecord } from '../../protocol/layout/secret.ts'
import { secretEntry } from '../../protocol/layout/transition.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Clock, Logger, Random } from '../env/ports.ts'
import type { ChangeDriver } from './change-driver.ts'
import { decideEntry } from './entry-change.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { LAYOUT_RPC } from './messages.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'

const SECRET_BYTES = 32
const ROTATE_MS = 15_000
const ASK_AGAIN_MS = 200
const ASK_AGAIN_MS_MAX = 5_000

/** Where a node keeps its secrets. Writes are durable when they return or resolve. */
export interface SecretStore {
  /** The one in force when it was last written, or the first. */
  get(): Uint8Array | undefined
  set(secret: Uint8Array): Promise<void> | void
  /** The one before, and one that was offered. Not set when this host can't rotate. */
  readonly more?:
    | {
        get(): readonly Uint8Array[]
        set(secrets: readonly Uint8Array[]): Promise<void> | void
      }
    | undefined
}

/** Encrypts the root account's secret under another cluster secret. */
export type ResealRoot = (sealed: string, from: Uint8Array, to: Uint8Array) => string

export interface SecretOfficeParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly proposer: LayoutProposer
  readonly driver: ChangeDriver
  readonly timer: Timer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly store: SecretStore
  /** Called for each entry that a rotation tries to propose. */
  readonly resealRoot: ResealRoot
}

export class SecretOffice {
  readonly #parts: SecretOfficeParts
  /** Rotations that are asked for here run one after the other. */
  #rotations: Promise<unknown> = Promise.resolve()
  /** Reads and writes of the store run one at a time. */
  #writes: Promise<unknown> = Promise.resolve()
  /** A fetch is under way. It looks at the record again before it ends. */
  #fetching = false

  constructor(parts: SecretOfficeParts) {
    this.#parts = parts
  }

  /**
   * What the layout says of the secret in force. Undefined while the first secret of the cluster is, which no entry
   * names.
   */
  get record(): SecretRecord | undefined {
    return this.#parts.log.view?.entry.secret
  }

  /** The secret in force. Undefined while this node has not been given it. */
  current(): Uint8Array | undefined {
    const { record } = this
    return record === undefined ? this.#parts.store.get() : this.find(record.id)
  }

  /** The one before, to decrypt and verify what was encrypted or signed with it. */
  previous(): Uint8Array | undefined {
    const { record } = this
    return record && this.find(record.previousId)
  }

  /** The secret with this id, if this node keeps it, in force or not. */
  find(id: string): Uint8Array | undefined {
    return this.#all().find((secret) => secretId(secret) === id)
  }

  /** Whether this node may vote for the entry, because it has the secret that the entry names. */
  mayAccept(entry: LayoutEntry): boolean {
    return entry.cause !== 'secret' || this.find(entry.secret!.id) !== undefined
  }

  /**
   * Resolves when the next secret is in force. Rejects with MembershipError.
   *
   * @param from the generation that is to be replaced. Records encrypted with the one before it would be lost, so a caller
   *   that did not ask for a further generation must not get one
   */
  rotate(overlapMs: number, from = generationOf(this.record)): Promise<SecretRecord> {
    const result = this.#rotations.then(() => this.#rotate(overlapMs, from + 1))
    this.#rotations = result.catch(() => undefined)
    return result
  }

  /** Handler of LAYOUT_RPC.offer: keeps the secret, answers once that is durable. */
  async offered(from: NodeId, body: Uint8Array): Promise<Uint8Array> {
    this.#mustBeMember(from)
    // Kept beside the one in force, because an offered secret may never come into force.
    if (this.current() === undefined) throw noSecret()
    await this.#keep(secretMessage.decode(body))
    return EMPTY
  }

  /** Handler of LAYOUT_RPC.secret: the secret with this id. Rejects when this node does not have it. */
  asked(from: NodeId, body: Uint8Array): Uint8Array {
    this.#mustBeMember(from)
    const id = idMessage.decode(body)
    const { record } = this
    // Neither one that may never come into force, nor an earlier one.
    const secret = id === record?.id || id === record?.previousId ? this.find(id) : undefined
    if (secret === undefined) throw new MembershipError('no-answer', 'this node has no such secret')
    return secretMessage.encode(secret)
  }

  /** Called after each adopted entry and at the start: gets the secret that the entry names. */
  adopted(): void {
    if (this.#fetching || this.record === undefined) return
    void this.#settle().catch((error: unknown) => {
      this.#parts.logger.error({ error }, 'the cluster secret could not be stored')
    })
  }

  /**
   * Draws a secret, keeps it, offers it, and proposes the entry that names it. Rejects with 'no-answer' when no
   * majority has kept it, or when another rotation came first.
   *
   * @param generation what the new secret must be
   */
  async #rotate(overlapMs: number, generation: number): Promise<SecretRecord> {
    const { log, clock, random, store, resealRoot } = this.#parts
    const fresh = random.bytes(SECRET_BYTES)
    if (store.more === undefined)
      throw new MembershipError('no-answer', 'this node cannot rotate the secret')
    if (generationOf(this.record) + 1 !== generation) throw tooLate()
    await this.#keep(fresh)
    await this.#offer(fresh)
    const decided = await decideEntry(this.#parts, {
      view: () => {
        const { view } = log
        if (view === undefined || !log.votes || this.current() === undefined) throw noSecret()
        if (generationOf(view.entry.secret) + 1 !== generation) throw tooLate()
        return view
      },
      entryAfter: ({ entry }) => {
        const current = this.current()
        if (current === undefined) throw noSecret()
        const sealed = entry.secret?.rootSealed ?? entry.genesis.rootAccount.sealedSecret
        return secretEntry(entry, {
          generation,
          id: secretId(fresh),
          previousId: secretId(current),
          sinceMs: Math.floor(clock.nowMs()),
          overlapMs,
          rootSealed: resealRoot(sealed, current, fresh),
        })
      },
      waitMsMax: ROTATE_MS,
      askAgainMs: ASK_AGAIN_MS,
    })
    return decided.secret as SecretRecord
  }

  /** Offers the secret to all members. Those that are away get it when they are back. */
  async #offer(secret: Uint8Array): Promise<void> {
    const { log, peers } = this.#parts
    const { voters } = log
    const others = voters.filter((node) => node !== peers.self)
    let kept = 1
    await peers.gather(
      others,
      LAYOUT_RPC.offer,
      secretMessage.encode(secret),
      () => kept++,
      () => false,
    )
    if (kept >= majority(voters.length)) return
    throw new MembershipError('no-answer', 'no majority of the members answers')
  }

  /** Fetches until this node keeps the secret that the last entry names, also when a later entry comes meanwhile. */
  async #settle(): Promise<void> {
    this.#fetching = true
    try {
      await this.#fetch()
    } finally {
      // In the same turn as the last look at the record, so that no entry comes in between.
      this.#fetching = false
    }
  }

  async #fetch(): Promise<void> {
    const { timer, logger } = this.#parts
    let waitMs = ASK_AGAIN_MS
    while (!timer.stopped) {
      const { record } = this
      if (record === undefined) return
      for (const id of [record.id, record.previousId]) {
        if (this.find(id) === undefined) await this.#ask(id)
      }
      if (this.find(record.id) !== undefined && this.record === record) {
        await this.#promote(record)
        if (this.record === record) return
        continue
      }
      logger.debug({ generation: record.generation }, 'the cluster secret is not here yet')
      await timer.sleep(timer.jittered(waitMs))
      waitMs = Math.min(2 * waitMs, ASK_AGAIN_MS_MAX)
    }
  }

  /** Asks all other members at once, and keeps the secret of the first answer whose id is right. */
  async #ask(id: string): Promise<void> {
    const { log, peers } = this.#parts
    const found: Uint8Array[] = []
    const others = log.view?.members.filter(({ nodeId }) => nodeId !== peers.self) ?? []
    await peers.gather(
      others.map(({ nodeId }) => nodeId),
      LAYOUT_RPC.secret,
      idMessage.encode(id),
      (_from, body) => {
        const secret = secretMessage.decode(body)
        if (secretId(secret) === id) found.push(secret)
      },
      () => found.length > 0,
    )
    if (found[0] !== undefined) await this.#keep(found[0])
  }

  /** Keeps the secret in force and the one before it, and drops all others. */
  #promote(record: SecretRecord): Promise<void> {
    return this.#alone(() => this.#promoteNow(record))
  }

  async #promoteNow({ id, previousId }: SecretRecord): Promise<void> {
    const { store } = this.#parts
    const current = this.find(id)!
    const previous = this.find(previousId)
    const rest = previous === undefined ? [] : [previous]
    const isStored = secretIdOf(store.get()) === id && store.more?.get().length === rest.length
    if (isStored && secretIdOf(store.more?.get()[0]) === secretIdOf(previous)) return
    // Both are kept at every moment.
    await store.more?.set([current, ...rest])
    await store.set(current)
    await store.more?.set(rest)
  }

  #keep(secret: Uint8Array): Promise<void> {
    return this.#alone(() => this.#keepNow(secret))
  }

  #alone(run: () => Promise<void>): Promise<void> {
    const result = this.#writes.then(run)
    this.#writes = result.catch(() => undefined)
    return result
  }

  /**
   * Keeps a secret beside those that the layout names, so that it is here should it come into force. Durable when it
   * resolves.
   */
  async #keepNow(secret: Uint8Array): Promise<void> {
    const { store } = this.#parts
    if (this.find(secretId(secret)) !== undefined) return
    if (store.get() === undefined) {
      await store.set(secret)
      return
    }
    const more = store.more?.get() ?? []
    const { record } = this
    const needed = (one: Uint8Array): boolean =>
      record !== undefined && [record.id, record.previousId].includes(secretId(one))
    // The last few secrets that were offered and did not come into force are kept.
    const offered = more.filter((one) => !needed(one)).slice(-OFFERED_MAX)
    await store.more?.set([...more.filter(needed), ...offered, secret])
  }

  #all(): readonly Uint8Array[] {
    const { store } = this.#parts
    const first = store.get()
    return [...(first === undefined ? [] : [first]), ...(store.more?.get() ?? [])]
  }

  #mustBeMember(from: NodeId): void {
    const members = this.#parts.log.view?.entry.members ?? []
    if (members.some(({ nodeId }) => nodeId === from)) return
    throw new MembershipError('no-answer', 'only a member is given the cluster secret')
  }
}

const EMPTY = new Uint8Array(0)
/** Secrets kept that were offered before the newest one and that the layout does not name. */
const OFFERED_MAX = 4

const secretMessage = {
  encode: (secret: Uint8Array): Uint8Array => utf8(JSON.stringify({ secret: hex(secret) })),
  decode(bytes: Uint8Array): Uint8Array {
    const { secret } = fieldsOf(parseJson(bytes), ['secret'])
    return bytesOfHex(matchOf(secret, /^[0-9a-f]{64}$/))
  },
}

const idMessage = {
  encode: (id: string): Uint8Array => utf8(JSON.stringify({ id })),
  decode(bytes: Uint8Array): string {
    return matchOf(fieldsOf(parseJson(bytes), ['id']).id, /^[0-9a-f]{32}$/)
  },
}

function secretIdOf(secret: Uint8Array | undefined): string | undefined {
  return secret && secretId(secret)
}

function noSecret(): MembershipError {
  return new MembershipError('no-answer', 'this node has not been given the cluster secret yet')
}

function tooLate(): MembershipError {
  return new MembershipError('no-answer', 'another rotation of the secret came first')
}
