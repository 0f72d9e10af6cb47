/** What clients do among the faults: histories for checker B, and objects whose bytes are checked in the end. */

import { eachLimited, s3ErrorCode, type RawClient } from '../../../bench/harness/s3.ts'
import { pauseMs } from '../../../bench/harness/process.ts'
import { seededBytes } from '../files.ts'
import { GrowthContents } from '../growth/contents.ts'
import { judge } from '../history/judge.ts'
import { Workloads } from '../history/workloads.ts'

const BUCKET = 'written'
const SEED = 20_000_000
const READ_TRIES = 20

export class ClientLoad {
  /** Clients of the nodes that are there; changes while it runs. */
  readonly clients: RawClient[]
  readonly #contents: GrowthContents
  readonly #workloads: Workloads
  readonly #lanes: Promise<void>[] = []
  /** Numbers of objects that were acknowledged among faults. */
  readonly #written: number[] = []
  #next = 0
  #isOver = false

  constructor(clients: RawClient[], objects: number) {
    this.clients = clients
    this.#workloads = new Workloads(clients)
    this.#contents = new GrowthContents({
      objects,
      large: Math.floor(objects / 200),
      versioned: Math.ceil(objects / 20),
      uploads: Math.ceil(objects / 200),
    })
  }

  async prepare(): Promise<void> {
    const [client] = this.clients
    if (client === undefined) throw new Error('no gateway')
    await this.#contents.write(client)
    await client.must({ method: 'PUT', bucket: BUCKET })
    await this.#workloads.prepare()
  }

  start(clients: number): void {
    for (let i = 0; i < clients; i++) this.#lanes.push(this.#history())
    for (let i = 0; i < Math.ceil(clients / 4); i++) this.#lanes.push(this.#write())
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#lanes)
  }

  /** Returns what is wrong. Prints histories that are not linearizable. */
  async check(): Promise<{ calls: number; written: number; faults: string[] }> {
    const { calls, bad } = judge(this.#workloads)
    const faults = [...new Set(this.#workloads.errors)]
    if (bad > 0) faults.push(`${bad} histories are not linearizable`)
    const [client] = this.clients
    if (client !== undefined) await this.#contents.goOn(client)
    faults.push(...(await this.#contents.check(this.clients)))
    await eachLimited(this.#written.length, 16, async (i) => {
      const fault = await this.#readBack(this.#written[i] ?? 0, i)
      if (fault !== undefined) faults.push(fault)
    })
    return { calls, written: this.#written.length, faults }
  }

  async #history(): Promise<void> {
    while (!this.#isOver) await this.#workloads.run(performance.now() + 500)
  }

  /** Writes each object once. */
  async #write(): Promise<void> {
    while (!this.#isOver) {
      const number = this.#next++
      const client = this.clients[number % this.clients.length]
      const put = { method: 'PUT', bucket: BUCKET, key: `key-${number}` } as const
      const reply = await client
        ?.send({ ...put, body: bodyOf(number), timeoutMs: 20_000 })
        .catch(() => undefined)
      if (reply?.status === 200) this.#written.push(number)
      await pauseMs(30)
    }
  }

  async #readBack(number: number, i: number): Promise<string | undefined> {
    const get = { method: 'GET', bucket: BUCKET, key: `key-${number}` } as const
    let last = 'no answer'
    for (let attempt = 0; attempt < READ_TRIES; attempt++) {
      const client = this.clients[(i + attempt) % this.clients.length]
      const reply = await client?.send(get).catch(() => undefined)
      if (reply?.status === 200) {
        return reply.body.equals(bodyOf(number)) ? undefined : `${get.key}: wrong bytes`
      }
      if (reply !== undefined) last = s3ErrorCode(reply)
      await pauseMs(500)
    }
    return `${get.key} was acknowledged: ${last}`
  }
}

/** Mostly packed objects, and some with blocks of their own. */
function bodyOf(number: number): Buffer {
  const size = number % 40 === 7 ? 2_500_000 : number % 6 === 1 ? 90_000 : (number * 7_919) % 4_000
  return seededBytes(SEED + number, size)
}
