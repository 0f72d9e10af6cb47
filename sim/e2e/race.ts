/**
 * `node sim/e2e/race.ts [--times 100] [--writers 50] [--nodes 3]`
 *
 * S3.md rule 7 through three gateways: of 50 writers racing on one key with `If-None-Match: *` exactly one
 * gets 200 and all others 412 or 409; of 50 creators of one bucket name exactly one wins; of counters raised
 * by `If-Match` no step is lost.
 */

import { parseArgs } from 'node:util'
import { eachLimited, errorCode, RawClient } from '../../bench/harness/s3.ts'
import type { S3Reply } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '100' },
    writers: { type: 'string', default: '50' },
    nodes: { type: 'string', default: '3' },
  },
})
const times = Number(values.times)
const writers = Number(values.writers)
const bucket = 'race'

/** Sends all at once, in turn through the gateways. Throws unless exactly one won and none was unsure. */
async function race(
  title: string,
  clients: readonly RawClient[],
  attempt: (client: RawClient, index: number) => Promise<S3Reply>,
): Promise<number> {
  const replies = await Promise.all(
    Array.from({ length: writers }, async (_, i) => {
      const client = clients[i % clients.length]
      if (client === undefined) throw new Error('no gateway')
      return attempt(client, i)
    }),
  )
  const winners = replies.flatMap((reply, i) => (reply.status === 200 ? [i] : []))
  const others = replies.filter((reply) => ![200, 409, 412].includes(reply.status))
  const [winner] = winners
  if (winners.length !== 1 || others.length > 0 || winner === undefined) {
    const odd = others.map((reply) => `${reply.status} ${errorCode(reply)}`)
    throw new Error(
      `${title}: ${winners.length} winners, ${others.length} odd answers: ${odd.join(', ')}`,
    )
  }
  return winner
}

/** Each of `lanes` raises the counter `steps` times by compare-and-set; the end must be their product. */
async function count(clients: readonly RawClient[], lanes: number, steps: number): Promise<number> {
  const key = 'counter'
  await clients[0]?.must({ method: 'PUT', bucket, key, body: Buffer.from('0') })
  let conflicts = 0
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      for (let done = 0; done < steps;) {
        const client = clients[(lane + done) % clients.length]
        if (client === undefined) throw new Error('no gateway')
        const read = await client.must({ method: 'GET', bucket, key })
        const body = Buffer.from(String(Number(read.body.toString()) + 1))
        const headers = { 'if-match': String(read.headers.etag) }
        const reply = await client.send({ method: 'PUT', bucket, key, body, headers })
        if (reply.status === 200) done++
        else if (reply.status === 412 || reply.status === 409) conflicts++
        else throw new Error(`counter: ${reply.status} ${errorCode(reply)}`)
      }
    }),
  )
  const last = await clients.at(-1)?.must({ method: 'GET', bucket, key })
  if (last?.body.toString() !== String(lanes * steps)) {
    throw new Error(`counter: ${last?.body.toString()} instead of ${lanes * steps}: a lost update`)
  }
  return conflicts
}

async function main(): Promise<void> {
  const shoal = await Shoal.start({ nodes: Number(values.nodes) })
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    await clients[0]?.must({ method: 'PUT', bucket })

    let start = performance.now()
    for (let time = 0; time < times; time++) {
      const key = `key-${time}`
      const winner = await race(`key ${time}`, clients, async (client, i) =>
        client.send({
          method: 'PUT',
          bucket,
          key,
          body: Buffer.from(`writer ${i}`),
          headers: { 'if-none-match': '*' },
        }),
      )
      for (const client of clients) {
        const reply = await client.must({ method: 'GET', bucket, key })
        const got = reply.body.toString()
        if (got !== `writer ${winner}`) throw new Error(`key ${time}: ${got} instead of ${winner}`)
      }
    }
    console.log(
      `${times} keys, ${writers} writers each: one winner each time ` +
        `(${Math.round((performance.now() - start) / times)} ms a race)`,
    )

    start = performance.now()
    const names = Math.max(1, Math.round(times / 10))
    for (let time = 0; time < names; time++) {
      await race(`bucket ${time}`, clients, async (client) =>
        client.send({ method: 'PUT', bucket: `race-for-name-${time}` }),
      )
    }
    console.log(
      `${names} bucket names, ${writers} creators each: one winner each time ` +
        `(${Math.round((performance.now() - start) / names)} ms a race)`,
    )

    const conflicts = await count(clients, 8, 10)
    console.log(`counter by If-Match: 80 steps of 8 lanes, none lost, ${conflicts} conflicts`)
    await eachLimited(clients.length, 1, async (i) => clients[i]?.close())
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
