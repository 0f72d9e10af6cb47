/**
 * Issues, lists and revokes join tokens. Each change is an entry of the layout, so that every member knows the same tokens,
 * and a revoked token admits no node from the moment at which its revocation is decided.
 */

import { hex } from '../../protocol/bytes.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { TOKENS_MAX, type TokenRecord } from '../../protocol/layout/token-record.ts'
import { tokensEntry } from '../../protocol/layout/transition.ts'
import type { Clock, Network, Random } from '../env/ports.ts'
import type { ChangeDriver } from './change-driver.ts'
import { decideEntry } from './entry-change.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutProposer } from './layout-proposer.ts'
import type { Timer } from './timer.ts'
import { encodeToken, tokenVerifier, withNode } from './token-codec.ts'

/** How long a change of the members may delay a change of the tokens. */
const CHANGE_MS = 15_000
const ASK_AGAIN_MS = 100
/** How many other members' addresses a token names, besides this node's. */
const TOKEN_MEMBERS_MAX = 4

export interface TokenOptions {
  /** How long it is good from now on. The member that admits a node judges that by its own wall clock. */
  readonly ttlMs: number
  /** How many nodes the token may admit. Default 1. */
  readonly uses?: number | undefined
}

export interface TokenOfficeParts {
  readonly log: LayoutLog
  readonly proposer: LayoutProposer
  readonly driver: ChangeDriver
  readonly timer: Timer
  readonly clock: Clock
  readonly random: Random
  readonly network: Pick<Network, 'self' | 'addresses'>
}

type Tokens = readonly TokenRecord[]

export class TokenOffice {
  readonly #parts: TokenOfficeParts
  /** Changes run one at a time, because two would only hinder each other. */
  #queue: Promise<unknown> = Promise.resolve()

  constructor(parts: TokenOfficeParts) {
    this.#parts = parts
  }

  /**
   * Resolves with the token's text, which is stored nowhere, once the entry with its verifier is decided. Rejects
   * with MembershipError: 'too-many-tokens', or 'no-answer' where no majority answers or a change of the members
   * takes too long.
   */
  async issue({ ttlMs, uses = 1 }: TokenOptions): Promise<string> {
    const { clock, random, network } = this.#parts
    const id = hex(random.bytes(8))
    const secret = hex(random.bytes(32))
    const expiresMs = Math.floor(clock.nowMs() + ttlMs)
    const record = { id, verifier: tokenVerifier(secret), expiresMs, uses, nodes: [] }
    const { epoch, genesis, members } = await this.#change((tokens) => {
      if (tokens.length < TOKENS_MAX) return [...tokens, record]
      throw new MembershipError(
        'too-many-tokens',
        `there are ${TOKENS_MAX} join tokens: revoke some, or wait until they expire`,
      )
    })
    const own = network.addresses().map((address) => withNode(address, network.self))
    const others = members
      .filter((member) => member.nodeId !== network.self)
      .slice(0, TOKEN_MEMBERS_MAX)
      .flatMap(({ nodeId, addresses }) => addresses.map((address) => withNode(address, nodeId)))
    const addresses = [...own, ...others]
    return encodeToken({ clusterId: genesis.clusterId, id, epoch, expiresMs, secret, addresses })
  }

  /** Tokens that have not expired, as far as this node knows. */
  list(): Tokens {
    return this.#live(this.#parts.log.view?.entry.tokens ?? [])
  }

  /** Revokes a token. Members that it has admitted stay. Rejects with MembershipError 'no-such-token'. */
  async revoke(id: string): Promise<void> {
    await this.#change((tokens) => {
      const rest = tokens.filter((token) => token.id !== id)
      if (rest.length < tokens.length) return rest
      throw new MembershipError('no-such-token', `there is no join token ${id}`)
    })
  }

  /**
   * Resolves with the entry that was decided.
   *
   * @param edit gets the tokens that have not expired; called again for each try
   */
  #change(edit: (tokens: Tokens) => Tokens): Promise<LayoutEntry> {
    const result = this.#queue.then(() => this.#try(edit))
    this.#queue = result.catch(() => undefined)
    return result
  }

  #try(edit: (tokens: Tokens) => Tokens): Promise<LayoutEntry> {
    const { log } = this.#parts
    return decideEntry(this.#parts, {
      view: () => {
        if (log.view !== undefined && log.votes) return log.view
        throw new MembershipError('no-answer', 'this node is no member of a cluster yet')
      },
      entryAfter: ({ entry }) => tokensEntry(entry, edit(this.#live(entry.tokens ?? []))),
      alsoPlanned: true,
      waitMsMax: CHANGE_MS,
      askAgainMs: ASK_AGAIN_MS,
    })
  }

  #live(tokens: Tokens): Tokens {
    const nowMs = this.#parts.clock.nowMs()
    return tokens.filter(({ expiresMs }) => expiresMs >= nowMs)
  }
}
