/**
 * `node sim/e2e/nearly-full.ts [--size-mib 320] [--nodes 3] [--within-seconds 10]`
 *
 * A cluster whose disks are small loop mounts, so full that each node refuses writes. Then a node with room joins. Within
 * 10 s after it is a member, each full node must take a PUT of every key that is tried, and every byte must be right.
 * Needs the right to mount; without it the script says so and ends with exit code 0.
 */

import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pauseMs } from '../../bench/harness/process.ts'
import { eachLimited, s3ErrorCode, RawClient } from '../../bench/harness/s3.ts'
import { seededBytes } from './files.ts'
import { isAtRest } from './growth/layout-seen.ts'
import { Members } from './growth/members.ts'
import { mountSmallDisk } from './space/small-disk.ts'
import { sameBytes } from './suite.ts'

const { values } = parseArgs({
  options: {
    'size-mib': { type: 'string', default: '320' },
    nodes: { type: 'string', default: '3' },
    'within-seconds': { type: 'string', default: '10' },
  },
})
const sizeMib = Number(values['size-mib'])
const bucket = 'full'
const OBJECT_BYTES = 300_000
const AT_ONCE = 4
/** Keys that each full node has to take. */
const KEYS = 8
const GIVE_UP_MS = 120_000

function sharesUsed(disks: readonly string[]): string {
  const shares = disks.map((disk) => {
    const { blocks, bavail } = statfsSync(disk)
    return `${((100 * (blocks - bavail)) / blocks).toFixed(1)} %`
  })
  return shares.join(', ')
}

class NearlyFull {
  readonly #members: Members
  readonly #disks: readonly string[]
  #stored = 0

  constructor(members: Members, disks: readonly string[]) {
    this.#members = members
    this.#disks = disks
  }

  async run(): Promise<void> {
    const members = this.#members
    for (const dir of this.#disks.slice(1)) {
      const { ready } = await members.join(0, { dir: join(dir, 'shoal'), env: ENV })
      await ready
    }
    await members.untilLayout('the cluster is formed', isAtRest, 60_000)
    const clients = this.#disks.map((_, node) => this.#client(node))
    await clients[0]!.must({ method: 'PUT', bucket })
    await this.#fill(clients)
    console.log(
      `${this.#stored} objects stored, then refused; disks ${sharesUsed(this.#disks)} full`,
    )

    const startedMs = performance.now()
    const { node, ready } = await members.join(0, { env: ENV })
    await ready
    const joinedMs = performance.now()
    await members.untilLayout(
      'the new node is a member',
      ({ state, nodes }) =>
        state === 'STABLE' &&
        nodes.some((one) => one.node === members.id(node) && one.state === 'member'),
      60_000,
    )
    const memberMs = performance.now()
    const waits = await Promise.all(clients.map((client, i) => this.#taken(client, i)))
    const all = waits.flat().sort((a, b) => a - b)
    const since = (ms: number): string => ((ms - memberMs) / 1_000).toFixed(1)
    console.log(
      `the node was ready ${((joinedMs - startedMs) / 1_000).toFixed(1)} s and a member ` +
        `${((memberMs - startedMs) / 1_000).toFixed(1)} s after its start; the first PUT to a full node was taken ` +
        `${since(all[0]!)} s after that, the last of ${all.length} keys ${since(all.at(-1)!)} s`,
    )
    const lateMs = all.at(-1)! - memberMs
    await members.untilLayout('the blocks moved', isAtRest, 120_000)
    await this.#check(clients)
    console.log(`every byte right; disks ${sharesUsed(this.#disks)} full`)
    for (const client of clients) client.close()
    const limitMs = Number(values['within-seconds']) * 1_000
    if (lateMs > limitMs) throw new Error(`a PUT to a full node waited for ${since(all.at(-1)!)} s`)
  }

  /** Writes until each node has refused a good many. */
  async #fill(clients: readonly RawClient[]): Promise<void> {
    let refused = 0
    let next = 0
    const worker = async (): Promise<void> => {
      while (refused < 40) {
        const i = next++
        const answer = await this.#put(clients[i % clients.length]!, i)
        if (answer === '200') this.#isStored.add(i)
        else if (/^(507|503) /.test(answer)) refused++
        else throw new Error(`a full cluster answers ${answer}`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    this.#stored = this.#isStored.size
  }

  readonly #isStored = new Set<number>()

  /** When the node took each of KEYS keys, by performance.now(). */
  async #taken(client: RawClient, node: number): Promise<number[]> {
    const taken: number[] = []
    const untilMs = performance.now() + GIVE_UP_MS
    for (let k = 0; k < KEYS; k++) {
      const i = 1_000_000 + 1_000 * node + k
      for (;;) {
        const answer = await this.#put(client, i)
        if (answer === '200') break
        if (performance.now() > untilMs) throw new Error(`${k} of ${KEYS} keys taken: ${answer}`)
        await pauseMs(100)
      }
      this.#isStored.add(i)
      taken.push(performance.now())
    }
    return taken
  }

  async #check(clients: readonly RawClient[]): Promise<void> {
    await eachLimited(this.#isStored.size, AT_ONCE, async (at) => {
      const i = [...this.#isStored][at]!
      const client = clients[at % clients.length]!
      const { body } = await client.must({ method: 'GET', bucket, key: `k-${i}` })
      sameBytes(body, seededBytes(i + 1, OBJECT_BYTES), `k-${i}`)
    })
  }

  async #put(client: RawClient, i: number): Promise<string> {
    const body = seededBytes(i + 1, OBJECT_BYTES)
    const reply = await client.send({ method: 'PUT', bucket, key: `k-${i}`, body })
    return reply.status === 200 ? '200' : `${reply.status} ${s3ErrorCode(reply)}`
  }

  #client(node: number): RawClient {
    return new RawClient(this.#members.endpoint(node), this.#members.credentials)
  }
}

const ENV = {
  SHOAL_SEGMENT_SIZE: '8MiB',
  SHOAL_RECLAIM_DELAY: '1s',
  SHOAL_COMPACTION_INTERVAL: '1s',
}

const scratch = mkdtempSync(join(tmpdir(), 'shoal-nearly-full-'))
const mounts = Array.from({ length: Number(values.nodes) }, (_, i) =>
  mountSmallDisk(scratch, `disk-${i}`, sizeMib),
)
// Runs after the disks are unmounted.
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const disks = mounts.filter((path) => path !== undefined)
if (disks.length < mounts.length) console.log('no right to mount a file system here: passed over')
else {
  const members = await Members.found([], { env: ENV, dir: join(disks[0]!, 'shoal') })
  try {
    await new NearlyFull(members, disks).run()
  } catch (error) {
    for (const node of members.running) {
      console.log(`--- node ${node}\n${members.output(node).slice(-4_000)}`)
    }
    throw error
  } finally {
    await members.close()
  }
}
