/** Objects of known history, and what may be read of them. */

import { eachLimited, s3ErrorCode } from '../../../bench/harness/s3.ts'
import type { RawClient } from '../../../bench/harness/s3.ts'
import { Ledger, type Value } from '../crash/ledger.ts'
import { seededBytes } from '../files.ts'

export const damageBucket = 'damage'
const AT_ONCE = 12
/** Many: each that is refused takes seconds. */
const READS_AT_ONCE = 300

export interface Checked {
  readonly right: number
  /** 503: refused, because it can't be proven. */
  readonly refused: number
  readonly wrong: readonly string[]
}

/** Packed, one block, two blocks. */
function sizeOf(seed: number): number {
  const kind = seed % 10
  if (kind < 6) return 200 + ((seed * 7_919) % 20_000)
  return kind < 9 ? 100_000 + ((seed * 104_729) % 100_000) : (1 << 20) + 300_000
}

export class DamageContents {
  readonly #ledger = new Ledger()
  #seed = 0
  /** Writes that were refused or not answered. */
  unknown = 0

  get size(): number {
    return this.#ledger.keys.length
  }

  /** Writes, overwrites and deletes of `count` keys from `first` on. */
  async write(clients: readonly RawClient[], first: number, count: number): Promise<void> {
    const keys = Array.from({ length: count }, (_, i) => `key-${first + i}`)
    let turn = 0
    await eachLimited(keys.length, AT_ONCE, async (i) => {
      const seed = ++this.#seed
      const client = clients[turn++ % clients.length]!
      const value = seed % 5 === 0 ? undefined : { seed, sizeBytes: sizeOf(seed) }
      await this.#change(client, keys[i]!, value)
    })
  }

  async #change(client: RawClient, key: string, value: Value): Promise<void> {
    const request =
      value === undefined
        ? ({ method: 'DELETE', bucket: damageBucket, key } as const)
        : ({
            method: 'PUT',
            bucket: damageBucket,
            key,
            body: seededBytes(value.seed, value.sizeBytes),
          } as const)
    const reply = await client.send({ ...request, timeoutMs: 30_000 }).catch(() => undefined)
    if (reply !== undefined && reply.status < 300) {
      this.#ledger.acknowledge(key, value)
      return
    }
    this.unknown++
    if (reply === undefined || reply.status >= 500) this.#ledger.leaveUnknown(key, value)
    else throw new Error(`${key}: ${reply.status} ${s3ErrorCode(reply)}`)
  }

  /** Every key through every gateway, one after the other: the ledger takes its reads for a line. */
  async check(clients: readonly RawClient[]): Promise<Checked> {
    const wrong: string[] = []
    let right = 0
    let refused = 0
    const { keys } = this.#ledger
    const checkOne = async (client: RawClient, key: string): Promise<void> => {
      const reply = await client
        .send({ method: 'GET', bucket: damageBucket, key, timeoutMs: 30_000 })
        .catch((error: unknown) => String(error))
      if (typeof reply !== 'string' && (reply.status === 200 || reply.status === 404)) {
        try {
          if (reply.status === 404 && s3ErrorCode(reply) !== 'NoSuchKey') {
            throw new Error(`${key}: ${s3ErrorCode(reply)}`)
          }
          this.#ledger.settle(key, reply.status === 200 ? reply.body : undefined)
          right++
        } catch (error) {
          wrong.push(String(error))
        }
      } else if (typeof reply !== 'string' && reply.status === 503) refused++
      else wrong.push(`${key}: ${typeof reply === 'string' ? reply : String(reply.status)}`)
    }
    await eachLimited(keys.length, READS_AT_ONCE, async (i) => {
      for (const client of clients) await checkOne(client, keys[i]!)
    })
    return { right, refused, wrong }
  }
}
