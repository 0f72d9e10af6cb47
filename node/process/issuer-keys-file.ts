/** The public keys of OIDC issuers, from the file that the setting `oidcKeys` names. */

import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import type { Clock, Logger } from '../env/ports.ts'
import type { IssuerKeys } from '../env/web-tokens.ts'
import { UsageError } from '../tools/usage-error.ts'
import { textOfSetting } from './setting-file.ts'

/** How often the file is read, while tokens come. */
const LOOK_MS = 10_000
const FILE_CHARACTERS_MAX = 4 * 2 ** 20

export interface IssuerKeysOptions {
  /** Undefined when the setting names no file. */
  readonly path: string | undefined
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly logger: Logger
}

/** Reads the file again while it is in use. A file that can't be used is named in the log, and the keys stay as they are. */
export class IssuerKeysFile {
  readonly #options: IssuerKeysOptions
  #text = ''
  #keys: IssuerKeys = new Map()
  #lookedMs: number
  #problem: string | undefined

  /** Throws UsageError when the file can't be used. */
  constructor(options: IssuerKeysOptions) {
    this.#options = options
    this.#lookedMs = options.clock.monotonicMs()
    this.#read()
  }

  /** By the URL of the issuer, at most 10 s old. */
  current(): IssuerKeys {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#lookedMs >= LOOK_MS) this.look()
    return this.#keys
  }

  /** Reads the file now. */
  look(): void {
    const { clock, logger } = this.#options
    this.#lookedMs = clock.monotonicMs()
    try {
      this.#read()
      this.#problem = undefined
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== this.#problem) {
        logger.error(
          { reason },
          'the keys of OIDC issuers stay as they are: the file cannot be used',
        )
      }
      this.#problem = reason
    }
  }

  #read(): void {
    const { path } = this.#options
    if (path === undefined) return
    const text = textOfSetting('oidcKeys', path)
    if (text === this.#text) return
    this.#keys = issuerKeysOf(text, path)
    this.#text = text
  }
}

/**
 * `{ "https://idp.example.org": { "keys": [ … ] } }`: a set of keys (RFC 7517) for each issuer.
 *
 * @param path of the file, for the error
 * @throws UsageError
 */
export function issuerKeysOf(text: string, path: string): IssuerKeys {
  const problem = (what: string): UsageError => new UsageError(`oidcKeys: ${path}: ${what}`)
  if (text.length > FILE_CHARACTERS_MAX) throw problem('it is larger than 4 MiB')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw problem('it is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw problem('it is not an object with issuers')
  }
  const keys = new Map<string, JSONWebKeySet>()
  for (const [issuer, set] of Object.entries(value as Record<string, JSONWebKeySet>)) {
    if (!issuer.startsWith('https://')) throw problem(`"${issuer}" is not an issuer's https:// URL`)
    try {
      createLocalJWKSet(set)
    } catch {
      throw problem(`"${issuer}" has no set of keys, such as {"keys":[…]}`)
    }
    const secret = set.keys.some(
      ({ kty, d, k }) => kty === 'oct' || d !== undefined || k !== undefined,
    )
    if (secret) throw problem(`"${issuer}" has a secret or private key: give the public keys only`)
    keys.set(issuer, set)
  }
  return keys
}
