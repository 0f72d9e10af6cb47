/**
 * A model of Kademlia walks, not the real kad-dht: routing tables of k entries a bucket drawn at random from the nodes
 * that belong there, as a table that has been refreshed has them; alpha questions at once; a share of all nodes is
 * gone, tables do not know it yet, and a question to one of those is a time-out.
 */

import { seededRandom } from '../world/seeded-random.ts'
import { plot } from './plot.ts'
import { grouped, mean, markdownTable, type Scope, type Section } from './report.ts'

const K = 20
const ALPHA = 3
const ID_BITS = 32
const FAILED_MAX = 0.02

interface Walked {
  readonly nodes: number
  readonly gone: number
  /** Questions one after the other until the nearest living node was known. */
  readonly hops: number
  readonly messages: number
  readonly timeouts: number
  /** Share of walks that did not find the living node that is nearest to the target. */
  readonly failed: number
}

export function kademlia({ quick }: Scope): Section {
  const walks = quick ? 100 : 300
  const walked: Walked[] = []
  for (const nodes of quick ? [10_000] : [1_000, 10_000, 100_000]) {
    for (const gone of [0, 0.1, 0.3]) walked.push(walkMany(nodes, gone, walks))
  }
  const faults = walked
    .filter(({ gone, failed }) => gone <= 0.1 && failed > FAILED_MAX)
    .map(({ nodes, gone, failed }) => `${nodes} nodes, ${gone} gone: ${failed} of the walks failed`)
  return { text: textOf(walked, walks), plots: quick ? [] : plotsOf(walked), faults }
}

class Mesh {
  /** Ascending. */
  readonly ids: Uint32Array
  readonly #gone: Uint8Array
  readonly #seed: number
  readonly #tables = new Map<number, Int32Array>()

  constructor(nodes: number, gone: number, seed: number) {
    const random = seededRandom(seed)
    const ids = new Set<number>()
    while (ids.size < nodes) ids.add(Math.floor(random() * 2 ** ID_BITS))
    this.ids = Uint32Array.from(ids).sort()
    this.#gone = Uint8Array.from(this.ids, () => (random() < gone ? 1 : 0))
    this.#seed = seed
  }

  isGone(node: number): boolean {
    return this.#gone[node] === 1
  }

  distance(node: number, target: number): number {
    return (this.ids[node]! ^ target) >>> 0
  }

  /** Bucket i has up to K of the nodes that share exactly i bits with this one. */
  tableOf(node: number): Int32Array {
    let entries = this.#tables.get(node)
    if (entries !== undefined) return entries
    const random = seededRandom(this.#seed * 31 + node)
    const list: number[] = []
    const id = this.ids[node]!
    for (let bits = 0; bits < ID_BITS; bits++) {
      const size = 2 ** (ID_BITS - bits - 1)
      const first = Math.floor(((id ^ size) >>> 0) / size) * size
      const [from, to] = [this.#lowerBound(first), this.#lowerBound(first + size)]
      if (to - from <= K) for (let i = from; i < to; i++) list.push(i)
      else {
        const drawn = new Set<number>()
        while (drawn.size < K) drawn.add(from + Math.floor(random() * (to - from)))
        list.push(...drawn)
      }
    }
    entries = Int32Array.from(list)
    this.#tables.set(node, entries)
    return entries
  }

  /** The K entries of a node's table that are nearest to the target. */
  nearest(node: number, target: number): number[] {
    const entries = this.tableOf(node)
    return [...entries]
      .sort((a, b) => this.distance(a, target) - this.distance(b, target))
      .slice(0, K)
  }

  nearestLiving(target: number): number {
    let best = -1
    for (let node = 0; node < this.ids.length; node++) {
      if (this.isGone(node)) continue
      if (best < 0 || this.distance(node, target) < this.distance(best, target)) best = node
    }
    return best
  }

  #lowerBound(value: number): number {
    let [low, high] = [0, this.ids.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ids[middle]! < value) low = middle + 1
      else high = middle
    }
    return low
  }
}

function walkMany(nodes: number, gone: number, walks: number): Walked {
  const mesh = new Mesh(nodes, gone, nodes + Math.round(gone * 100))
  const random = seededRandom(nodes * 7 + Math.round(gone * 100))
  const done: ReturnType<typeof walk>[] = []
  while (done.length < walks) {
    const start = Math.floor(random() * nodes)
    if (!mesh.isGone(start)) done.push(walk(mesh, start, Math.floor(random() * 2 ** ID_BITS)))
  }
  return {
    nodes,
    gone,
    hops: mean(done.map(({ hops }) => hops)),
    messages: mean(done.map(({ messages }) => messages)),
    timeouts: mean(done.map(({ timeouts }) => timeouts)),
    failed: mean(done.map(({ found }) => (found ? 0 : 1))),
  }
}

/** Until the K nearest that are known have answered, or are known to be gone. */
function walk(mesh: Mesh, start: number, target: number) {
  const wanted = mesh.nearestLiving(target)
  const known = new Set([start, ...mesh.nearest(start, target)])
  const asked = new Set([start])
  const silent = new Set<number>()
  let [rounds, messages, hops] = [0, 0, known.has(wanted) ? 0 : -1]
  for (;;) {
    const shortlist = [...known]
      .filter((node) => !silent.has(node))
      .sort((a, b) => mesh.distance(a, target) - mesh.distance(b, target))
      .slice(0, K)
    const next = shortlist.filter((node) => !asked.has(node)).slice(0, ALPHA)
    if (next.length === 0) {
      const found = shortlist[0] === wanted
      return { hops: hops < 0 ? rounds : hops, messages, timeouts: silent.size, found }
    }
    rounds++
    for (const node of next) {
      asked.add(node)
      messages++
      if (mesh.isGone(node)) silent.add(node)
      else for (const each of mesh.nearest(node, target)) known.add(each)
    }
    if (hops < 0 && known.has(wanted)) hops = rounds
  }
}

function textOf(walked: readonly Walked[], walks: number): string {
  return `## Kademlia walks

**A model**, not the real kad-dht: full tables (k = ${K}), alpha = ${ALPHA}, ${grouped(walks)} walks from random nodes to random
targets. *Gone*: this share of all nodes has left, but is still in the tables, as after an hour without a refresh. *Hops*:
rounds of questions until the node nearest to the target was known. *Messages*: questions until the walk was over, which is when
the ${K} nearest have answered. *Failed*: the nearest living node was not found. Requests of clients do not walk: every node
holds the layout. A walk is for a node that knows one address, for finding a peer whose address changed, and for \`shoal locate\`.

${markdownTable(
  ['nodes', 'gone', 'hops', 'messages', 'time-outs', 'failed'],
  walked.map(({ nodes, gone, hops, messages, timeouts, failed }) => [
    grouped(nodes),
    `${Math.round(gone * 100)} %`,
    hops.toFixed(2),
    messages.toFixed(1),
    timeouts.toFixed(1),
    `${(failed * 100).toFixed(1)} %`,
  ]),
)}

![Messages of a walk](scale-walk.svg)
`
}

function plotsOf(walked: readonly Walked[]): Section['plots'] {
  const shares = [...new Set(walked.map(({ gone }) => gone))]
  return [
    {
      name: 'scale-walk.svg',
      svg: plot({
        title: 'Messages of a Kademlia walk (model)',
        x: 'nodes',
        y: 'messages',
        series: shares.map((gone) => ({
          name: `${Math.round(gone * 100)} % gone`,
          points: walked
            .filter((each) => each.gone === gone)
            .map(({ nodes, messages }) => [nodes, messages] as const),
        })),
      }),
    },
  ]
}
