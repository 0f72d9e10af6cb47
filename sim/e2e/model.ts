/**
 * `node sim/e2e/model.ts [--sequences 2000] [--first 1] [--nodes 1] [--lanes 32] [--kill]`
 *
 * Random sequences of S3 requests, each compared with a small model of what AWS documents (sim/e2e/model/), through
 * all gateways in turn. With `--kill`, one node after the other is killed with -9 and started again meanwhile. A
 * difference prints the seed and the steps: `--first SEED --sequences 1` runs them again.
 */

import { parseArgs } from 'node:util'
import { pauseMs } from '../../bench/harness/process.ts'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { runSequence, SHARED_BUCKETS, type SendRequest } from './model/sequence.ts'

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '2000' },
    first: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '32' },
    kill: { type: 'boolean', default: false },
  },
})
const [sequences, first, nodes, lanes] = [
  Number(values.sequences),
  Number(values.first),
  Number(values.nodes),
  Number(values.lanes),
]

/** How long a node is up between two kills. */
const LIFE_MS = 4_000
const DOWN_MS = 2_000
const REQUEST_MS = 30_000

async function makeBuckets(client: RawClient): Promise<void> {
  for (const [bucket, versioning] of SHARED_BUCKETS) {
    await client.must({ method: 'PUT', bucket })
    // As with a user's bucket, suspended comes after enabled.
    for (const status of ['Enabled', 'Suspended']) {
      if (versioning === 'never' || (versioning === 'Enabled' && status === 'Suspended')) continue
      const body = Buffer.from(
        `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
      )
      await client.must({ method: 'PUT', bucket, query: { versioning: '' }, body })
    }
  }
}

/** Kills and starts one node after the other until it is stopped. Returns how often. */
async function killInTurn(shoal: Shoal, isOver: () => boolean): Promise<number> {
  let kills = 0
  while (!isOver()) {
    await pauseMs(LIFE_MS)
    if (isOver()) break
    const index = kills++ % shoal.size
    await shoal.killNode(index)
    await pauseMs(DOWN_MS)
    await shoal.startNode(index)
  }
  return kills
}

if (![sequences, first, nodes, lanes].every((value) => Number.isSafeInteger(value) && value > 0)) {
  throw new Error('sequences, first, nodes and lanes are numbers above 0')
}
const shoal = await Shoal.start({ nodes })
try {
  const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
  let turn = 0
  const send: SendRequest = async (request) => {
    const client = clients[turn++ % clients.length]
    if (client === undefined) throw new Error('no gateway')
    return client.send({ ...request, timeoutMs: REQUEST_MS })
  }
  await makeBuckets(clients[0]!)
  const [start, counts] = [performance.now(), { steps: 0, inDoubt: 0 }]
  let isOver = false
  const killing = values.kill ? killInTurn(shoal, () => isOver) : Promise.resolve(0)
  try {
    await eachLimited(sequences, lanes, async (i) => {
      const { steps, isInDoubt } = await runSequence(first + i, send)
      counts.steps += steps
      if (isInDoubt) counts.inDoubt++
    })
  } finally {
    isOver = true
  }
  const kills = await killing
  for (const client of clients) client.close()
  const seconds = Math.round((performance.now() - start) / 1000)
  console.log(
    `${sequences} sequences, ${counts.steps} requests in ${seconds} s on ${nodes} nodes, ${kills} kills: ` +
      `no difference, ${counts.inDoubt} sequences ended with a write in doubt`,
  )
} finally {
  await shoal.close()
}
