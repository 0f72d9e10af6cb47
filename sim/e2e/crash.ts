/**
 * `node sim/e2e/crash.ts [--times 20] [--writers 32] [--nodes 3]`
 *
 * Kills all nodes with -9 at a random moment while clients write (F14), and restarts them on the same directory.
 * Then every key must hold the last acknowledged write or, as a whole, a write whose outcome is unknown. GET and
 * LIST must agree through every gateway.
 */

import { parseArgs } from 'node:util'
import { reason, pauseMs, untilTrue } from '../../bench/harness/process.ts'
import { eachLimited, s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { Ledger } from './crash/ledger.ts'
import type { Value } from './crash/ledger.ts'
import { crashBucket, Writer } from './crash/writer.ts'
import { listAll } from './list-all.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    writers: { type: 'string', default: '32' },
    nodes: { type: 'string', default: '3' },
  },
})
const times = Number(values.times)
const writerCount = Number(values.writers)

/** A node that has just come up may answer 503 at first. */
async function read(client: RawClient, key: string): Promise<Uint8Array | undefined> {
  const found = await untilTrue(
    `GET ${key}`,
    async () => {
      const reply = await client.send({
        method: 'GET',
        bucket: crashBucket,
        key,
        timeoutMs: 20_000,
      })
      if (reply.status === 200) return { body: reply.body }
      if (reply.status === 404 && s3ErrorCode(reply) === 'NoSuchKey') return { body: undefined }
      throw new Error(`${reply.status} ${s3ErrorCode(reply)}`)
    },
    60_000,
  )
  return found.body
}

/** Reads every key, each through another gateway, then compares the lists of all gateways. */
async function verify(clients: readonly RawClient[], ledger: Ledger): Promise<void> {
  const { keys } = ledger
  const settled = new Map<string, Value>()
  const wrong: string[] = []
  const settle = async (key: string, turn: number): Promise<void> => {
    const client = clients[turn % clients.length]
    if (client === undefined) throw new Error('no gateway')
    const body = await read(client, key)
    try {
      settled.set(key, ledger.settle(key, body))
    } catch (error) {
      wrong.push(reason(error))
    }
  }
  await eachLimited(keys.length, 8, async (i) => settle(keys[i] ?? '', i))
  for (const [turn, client] of clients.entries()) {
    const listed = await listAll(client, crashBucket)
    for (const key of listed.keys()) if (!settled.has(key)) wrong.push(`${key}: nobody wrote it`)
    for (const key of settled.keys()) {
      const shown = listed.get(key)
      if (shown === settled.get(key)?.sizeBytes) continue
      // An unknown outcome may have surfaced between the GET and the LIST, but a GET now must show it.
      await settle(key, turn + 1)
      const now = settled.get(key)?.sizeBytes
      if (shown !== now)
        wrong.push(`${key}: LIST ${shown ?? 'absent'}, then GET ${now ?? 'absent'}`)
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} keys are wrong:\n${wrong.join('\n')}`)
}

async function main(): Promise<void> {
  const shoal = await Shoal.start({ nodes: Number(values.nodes) })
  const ledger = new Ledger()
  try {
    const connect = (): RawClient[] =>
      shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    const first = connect()
    await first[0]?.must({ method: 'PUT', bucket: crashBucket })
    for (const client of first) client.close()

    for (let time = 1; time <= times; time++) {
      const clients = connect()
      let stopped = false
      const writers = Array.from({ length: writerCount }, (_, i) => new Writer(i, clients, ledger))
      const [acknowledged, unknown] = [ledger.acknowledgedCount, ledger.unknownCount]
      const running = writers.map(async (writer) => writer.run(() => stopped))
      const lifeMs = 500 + Math.random() * 5_500
      await pauseMs(lifeMs)
      stopped = true
      await shoal.killAll()
      for (const client of clients) client.close()
      await Promise.all(running)
      ledger.crashed()
      const start = performance.now()
      await shoal.up()
      const restartMs = performance.now() - start
      const again = connect()
      await verify(again, ledger)
      for (const client of again) client.close()
      const errors = new Map<string, number>()
      for (const writer of writers) {
        for (const [code, n] of writer.errors) errors.set(code, (errors.get(code) ?? 0) + n)
      }
      console.log(
        `crash ${time}/${times}: after ${Math.round(lifeMs)} ms, ` +
          `${ledger.acknowledgedCount - acknowledged} acknowledged, ` +
          `${ledger.unknownCount - unknown} unknown, errors ${JSON.stringify([...errors])}, ` +
          `restart ${Math.round(restartMs)} ms, ${ledger.keys.length} keys verified`,
      )
    }
    if (ledger.acknowledgedCount === 0) throw new Error('not one write was acknowledged')
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-60).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
