/** The whole IAM role on registers in memory: what a client's call does, below HTTP and rights. */

import type { Credential, Identity } from '../../../gateway/port/identity.ts'
import { IamError, type IamResult, type QueryRecord } from '../../../gateway/port/iam-backend.ts'
import { IAM_ACTIONS } from '../../../gateway/iam/operations.ts'
import { checkParameters } from '../../../gateway/iam/parameters.ts'
import { unfold } from '../../../gateway/iam/query.ts'
import type { JSONWebKeySet } from 'jose'
import { finish } from '../../../protocol/work.ts'
import type { WebTokens } from '../../env/ports.ts'
import { JoseTokenSigner } from '../../env/tokens.ts'
import { JoseWebTokens } from '../../env/web-tokens.ts'
import { internalContext } from '../../tools/internal-context.ts'
import { MemoryRegisters } from '../../objects/testing/memory-registers.ts'
import { Identities } from '../identities.ts'
import { rootIdentity } from '../resolve.ts'
import { StoreError } from '../../../protocol/errors.ts'
import { encryptSecret, unseal } from '../../layout/secret-encryption.ts'
import type { SurroundingsOptions } from '../surroundings.ts'

export const FIRST_ACCOUNT = '100000000001'
export const FIRST_KEY = 'SHOAFOUNDER'
const SECRET = new Uint8Array(32).fill(7)
const START_MS = Date.UTC(2026, 10, 22)

export class IamWorld {
  readonly registers = new MemoryRegisters()
  readonly identities: Identities
  readonly root: Identity = rootIdentity(FIRST_ACCOUNT)
  nowMs = START_MS
  /** The keys of OIDC providers, by their URLs. */
  readonly issuerKeys = new Map<string, JSONWebKeySet>()
  /** Checks their tokens. */
  webTokens: WebTokens = new JoseWebTokens(() => this.issuerKeys)
  /** The policies of buckets: none by default. */
  bucketPolicies: SurroundingsOptions['bucketPolicies'] = () => Promise.resolve([])
  /** The cluster secret; undefined when this node does not have it yet. */
  secret: Uint8Array | undefined = SECRET
  previous: { secret: Uint8Array; sinceMs: number; untilMs: number } | undefined
  #rootSealed = encryptSecret(SECRET, new Uint8Array(12), 'founder-secret')

  constructor(seed = 1) {
    const draw = iamRandom(seed)
    this.identities = new Identities({
      registers: this.registers.registers,
      keyspace: () => ({ partitionBits: 4 }),
      bucketsPerAccount: 100,
      clock: {
        nowMs: () => this.nowMs,
        monotonicMs: () => this.nowMs,
        // A short pause ends at once; no test waits for a long one.
        after: (delayMs, run) => {
          if (delayMs < 10) void Promise.resolve().then(run)
          return () => {}
        },
      },
      random: {
        bytes: (count) => Uint8Array.from({ length: count }, () => draw() * 256),
        float: draw,
      },
      network: { publish: () => {}, subscribe: () => {} },
      bucketPolicies: (context, accountId) => this.bucketPolicies(context, accountId),
      tokens: new JoseTokenSigner(),
      webTokens: {
        issuerOf: (token) => this.webTokens.issuerOf(token),
        verify: (issuer, token) => this.webTokens.verify(issuer, token),
      },
      cluster: () => {
        if (this.secret === undefined) throw new StoreError('Unavailable', 'no secret')
        const sealedSecret = this.#rootSealed
        return {
          id: 'c'.repeat(32),
          secret: this.secret,
          previous: this.previous,
          rootAccount: { accountId: FIRST_ACCOUNT, accessKeyId: FIRST_KEY, sealedSecret },
        }
      },
    })
  }

  /** What this node sees once it has adopted the layout that brings the next cluster secret. */
  rotate(secret: Uint8Array, overlapMs: number): void {
    const before = this.secret!
    this.#rootSealed = encryptSecret(secret, new Uint8Array(12), unseal(before, this.#rootSealed))
    const sinceMs = this.nowMs
    this.previous = { secret: before, sinceMs, untilMs: sinceMs + overlapMs }
    this.secret = secret
  }

  /** Calls the action as the gateway does once the caller was authorised. Parameters are written 'Tags.member.1.Key'. */
  async run(
    caller: Identity,
    action: string,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<IamResult> {
    const operation = IAM_ACTIONS.get(action)
    if (operation === undefined) throw new Error(`${action} is in no table of operations`)
    const checked: QueryRecord = checkParameters(
      operation.parameters,
      unfold(Object.entries(parameters)),
    )
    return this.identities.service.run({
      context: internalContext(),
      caller,
      action,
      parameters: checked,
      nowMs: this.nowMs,
      conditions: new Map(),
      inTurns: finish,
    })
  }

  /** AWS's code of what `run` throws; undefined when it succeeds. */
  async codeOf(
    caller: Identity,
    action: string,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<string | undefined> {
    try {
      await this.run(caller, action, parameters)
      return undefined
    } catch (error) {
      if (error instanceof IamError) return error.code
      throw error
    }
  }

  /** The identity that signs with this key, as it is now. */
  async credential(accessKeyId: string): Promise<Credential | undefined> {
    // So that cached records are too old.
    this.nowMs += 10_000
    return this.identities.resolver.credential(accessKeyId)
  }

  async identity(accessKeyId: string): Promise<Identity> {
    const credential = await this.credential(accessKeyId)
    if (credential === undefined) throw new Error('no such key')
    return credential.identity
  }

  /** A user of the caller's account with a key and these inline policies. */
  async user(caller: Identity, name: string, ...policies: readonly string[]): Promise<Identity> {
    await this.run(caller, 'CreateUser', { UserName: name })
    for (const [index, text] of policies.entries()) {
      await this.run(caller, 'PutUserPolicy', {
        UserName: name,
        PolicyName: `p${index}`,
        PolicyDocument: text,
      })
    }
    return this.identity(await this.key(caller, name))
  }

  /** Creates a key and returns its id. */
  async key(caller: Identity, name?: string): Promise<string> {
    return (await this.keyPair(caller, name)).id
  }

  async keyPair(caller: Identity, name?: string): Promise<{ id: string; secret: string }> {
    const made = await this.run(caller, 'CreateAccessKey', name ? { UserName: name } : {})
    const { AccessKeyId, SecretAccessKey } = made['AccessKey'] as Record<string, string>
    return { id: AccessKeyId!, secret: SecretAccessKey! }
  }

  /** The root of a new account. */
  async account(name: string): Promise<Identity> {
    const made = await this.run(this.root, 'CreateAccount', { Name: name })
    return this.identity((made['AccessKey'] as { AccessKeyId: string }).AccessKeyId)
  }
}

/** The same numbers for the same seed, in [0, 1): mulberry32. */
export function iamRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

/** Changes and reads take a random time, so that they meet in every order. */
export function slow(registers: MemoryRegisters, draw: () => number): void {
  const pause = async (): Promise<void> => {
    for (let ticks = Math.floor(draw() * 12); ticks > 0; ticks--) await Promise.resolve()
  }
  const read = MemoryRegisters.prototype.read.bind(registers)
  registers.before = pause
  registers.read = async (context, request) => {
    await pause()
    return read(context, request)
  }
}

export function allow(action: string, resource = '*'): string {
  return statement('Allow', action, resource)
}

export function deny(action: string, resource = '*'): string {
  return statement('Deny', action, resource)
}

function statement(effect: string, action: string, resource: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: effect, Action: action, Resource: resource }],
  })
}
