/** Objects with contents that depend on their number and generation only, and what should be there. */

import { eachLimited, s3ErrorCode } from '../../../bench/harness/s3.ts'
import type { RawClient } from '../../../bench/harness/s3.ts'
import { seededBytes } from '../files.ts'

export const spaceBucket = 'space'

/** Empty, packed, one block, several blocks; about 12 KiB in the mean. */
function sizeOf(number: number, generation: number): number {
  const draw = (Math.imul(number * 31 + generation * 7 + 1, 0x9e3779b1) >>> 0) / 2 ** 32
  if (draw < 0.01) return 0
  if (draw < 0.7) return 100 + Math.floor(draw * 5_000)
  if (draw < 0.985) return 4_000 + Math.floor((draw - 0.7) * 60_000)
  if (draw < 0.998) return 66_000 + Math.floor((draw - 0.985) * 10_000_000)
  return (1 << 20) + Math.floor((draw - 0.998) * 500_000_000)
}

export class SpaceObjects {
  readonly #clients: readonly RawClient[]
  /** Generation that must be there; absent: deleted or never written. */
  readonly #live = new Map<number, number>()
  /** Being written or deleted at this moment. */
  readonly #busy = new Set<number>()

  constructor(clients: readonly RawClient[]) {
    this.#clients = clients
  }

  get liveBytes(): number {
    let sum = 0
    for (const [number, generation] of this.#live) sum += sizeOf(number, generation)
    return sum
  }

  get count(): number {
    return this.#live.size
  }

  /** Another client wrote it. */
  expect(number: number, generation: number): void {
    this.#live.set(number, generation)
  }

  numbers(): number[] {
    return [...this.#live.keys()]
  }

  /** The bytes that it wrote. */
  async put(number: number): Promise<number> {
    const generation = (this.#live.get(number) ?? 0) + 1
    const body = seededBytes(number * 1_000 + generation, sizeOf(number, generation))
    this.#busy.add(number)
    await this.#until({ method: 'PUT', bucket: spaceBucket, key: keyOf(number), body }, number)
    this.#live.set(number, generation)
    this.#busy.delete(number)
    return body.length
  }

  async delete(number: number): Promise<void> {
    this.#busy.add(number)
    await this.#until({ method: 'DELETE', bucket: spaceBucket, key: keyOf(number) }, number)
    this.#live.delete(number)
    this.#busy.delete(number)
  }

  /** Reads it; throws when it is not what it must be. */
  async check(number: number): Promise<void> {
    const generation = this.#live.get(number)
    if (generation === undefined || this.#busy.has(number)) return
    const reply = await this.#until(
      { method: 'GET', bucket: spaceBucket, key: keyOf(number) },
      number + 1,
    )
    // A writer may have been at it meanwhile.
    if (this.#busy.has(number) || this.#live.get(number) !== generation) return
    const expected = seededBytes(number * 1_000 + generation, sizeOf(number, generation))
    if (Buffer.compare(reply.body, expected) !== 0) {
      throw new Error(
        `${keyOf(number)}: ${reply.body.length} bytes that are not generation ${generation}`,
      )
    }
  }

  async checkAll(width = 16): Promise<void> {
    const numbers = this.numbers()
    await eachLimited(numbers.length, width, async (i) => this.check(numbers[i] as number))
  }

  /** A node that was just killed or is overloaded: again, through the next gateway. */
  async #until(
    request: Parameters<RawClient['send']>[0],
    turn: number,
  ): Promise<Awaited<ReturnType<RawClient['send']>>> {
    let last = ''
    for (let attempt = 0; attempt < 120; attempt++) {
      const client = this.#clients[(turn + attempt) % this.#clients.length] as RawClient
      try {
        const reply = await client.send({ ...request, timeoutMs: 30_000 })
        if (reply.status < 300) return reply
        last = `${reply.status} ${s3ErrorCode(reply)}`
        if (reply.status < 500) break
      } catch (error) {
        last = String(error)
      }
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    throw new Error(`${request.method} ${request.key}: ${last}`)
  }
}

function keyOf(number: number): string {
  return `dir-${number % 97}/object-${number}`
}
