/**
 * `node sim/e2e/limit.ts [--times 50] [--creators 20] [--limit 10]`
 *
 * Creators race for an account's last free bucket through three gateways: each time exactly one more bucket
 * exists afterwards, and all others were told TooManyBuckets.
 */

import { parseArgs } from 'node:util'
import { s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '50' },
    creators: { type: 'string', default: '20' },
    limit: { type: 'string', default: '10' },
  },
})
const times = Number(values.times)
const creators = Number(values.creators)
const limit = Number(values.limit)

async function bucketsOf(client: RawClient): Promise<string[]> {
  const { body } = await client.must({ method: 'GET' })
  return [...body.toString().matchAll(/<Name>([^<]+)<\/Name>/g)].map(([, name = '']) => name)
}

async function main(): Promise<void> {
  const env = { SHOAL_BUCKETS_PER_ACCOUNT: String(limit) }
  const shoal = await Shoal.start({ nodes: 3, env })
  const answers = new Map<string, number>()
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    const at = (index: number): RawClient => clients[index % clients.length] as RawClient
    for (let i = 1; i < limit; i++) await at(i).must({ method: 'PUT', bucket: `held-${i}` })
    for (let time = 0; time < times; time++) {
      const replies = await Promise.all(
        Array.from({ length: creators }, async (_, i) =>
          at(i).send({ method: 'PUT', bucket: `race-${time}-${i}` }),
        ),
      )
      let won = 0
      for (const reply of replies) {
        const code = reply.status === 200 ? '200' : s3ErrorCode(reply)
        answers.set(code, (answers.get(code) ?? 0) + 1)
        if (reply.status === 200) won++
      }
      const names = await bucketsOf(at(time))
      const racing = names.filter((name) => name.startsWith('race-'))
      if (names.length !== limit || racing.length !== 1 || won > 1) {
        throw new Error(`race ${time}: ${won} winners, ${names.length} buckets of ${limit}`)
      }
      await at(time + 1).must({ method: 'DELETE', bucket: racing[0] ?? '' })
    }
    console.log(
      `${times} races of ${creators} for the last of ${limit} buckets: one more each time; ` +
        `answers ${JSON.stringify([...answers])}`,
    )
    for (const client of clients) client.close()
  } catch (error) {
    console.log(JSON.stringify([...answers]))
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
