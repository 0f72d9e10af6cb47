/** Breaks of votes on the layout (D8) and of links to peers (F11). */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import { LayoutStore, VOTE_FILE } from '../../node/layout/layout-store.ts'
import { LAYOUT_RPC, prepareMessage, voteAnswer } from '../../node/layout/messages.ts'
import { fakePair, StreamClock, type FakeStream } from '../../node/net/testing/fake-stream.ts'
import { Links } from '../../node/net/links.ts'
import { PeerLink, type Hearing } from '../../node/net/peer-link.ts'
import { newStats } from '../../node/net/stats.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { nodeOf, onCluster } from '../testing/calm-cluster.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

const PROMISED = 41
const PEER = nodeId('NodeNodePeer')

/** Node 1 promises a ballot of the next layout. Then it is killed and its vote file is damaged. It must not promise
 * again. */
function promisesAgain(damage: (cluster: SimulatedCluster) => void): MutantScenario {
  return async ({ seed, adapt }) => {
    const found: string[] = []
    const prepare = async (cluster: SimulatedCluster): Promise<string> => {
      const { layout } = nodeOf(cluster, 1)
      const from = cluster.idOf(0)
      const ballot = { counter: PROMISED, nodeId: from }
      const body = prepareMessage.encode(layout.current()!.epoch + 1, ballot)
      return voteAnswer.decode(await layout.handle(from, LAYOUT_RPC.prepare, body)!).type
    }
    await onCluster(
      3,
      async (cluster) => {
        if ((await prepare(cluster)) !== 'promised') found.push('a sound node does not vote')
        cluster.kill(1, false)
        damage(cluster)
        await cluster.start(1)
        if ((await prepare(cluster)) === 'promised') found.push('a vote is given twice')
        cluster.kill(1, false)
        await cluster.start(1)
        if ((await prepare(cluster)) === 'promised') found.push('a vote is given twice')
      },
      { seed, adapt },
    )
    return found
  }
}

const changed = promisesAgain((cluster) => {
  const disk = cluster.diskOf(1)
  const text = utf8Text(disk.contentOf(VOTE_FILE))
  disk.corrupt(VOTE_FILE, utf8(text.slice(0, text.indexOf(`${PROMISED}`))).length + 1, 1)
})
const missing = promisesAgain((cluster) => cluster.diskOf(1).lose(VOTE_FILE))

/** A link to a peer falls silent, and another one becomes ready: calls must not wait for the silent one. */
const silentLink: MutantScenario = async () => {
  const found: string[] = []
  const clock = new StreamClock()
  let silences = 0
  const links = new Links({
    clock,
    stats: newStats(),
    serve: (_from, message) => Promise.resolve(message),
    onPeer: () => {},
    onSilence: () => void silences++,
    onDead: () => {},
    afterTurn: queueMicrotask,
  })
  const connect = async (connection: string): Promise<void> => {
    const pairs = [fakePair(), fakePair()]
    const other = new PeerLink({
      peer: PEER,
      clock: new StreamClock(),
      stats: newStats(),
      serve: (_from, message) => Promise.resolve(message),
      onReady: () => {},
      afterTurn: queueMicrotask,
      onHearing: () => {},
      onClose: () => {},
    })
    const link = links.open(PEER, connection, 'outbound')
    for (const [i, traffic] of (['control', 'bulk'] as const).entries()) {
      link.attach(traffic, pairs[i]![0])
      other.attach(traffic, pairs[i]![1])
    }
    await flow(pairs.flat())
  }
  await connect('first')
  const first = links.of(PEER)!
  clock.advance(3_000)
  if (silences !== 1) found.push('a silent link is not noticed')
  await connect('second')
  if (!first.closed) found.push('a silent link is kept beside one that is heard')
  links.closeAll('over')
  return found
}

async function flow(streams: readonly FakeStream[]): Promise<void> {
  for (;;) {
    for (let i = 0; i < 5; i++) await Promise.resolve()
    if (!streams.map((stream) => stream.deliver()).includes(true)) return
  }
}

export const PEER_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'damaged-vote-counts-as-none',
    rule: 'D8',
    breaks: 'a damaged vote file counts as one without a vote',
    by: 'a promise that is asked for again after a digit of it has changed',
    scenario: changed,
    caughtAs: /a vote is given twice/,
    seedsMax: 1,
    patch: (patches) =>
      patches.method(
        LayoutStore.prototype,
        'readVote',
        (original) =>
          async function (this: LayoutStore) {
            const stored = await original.call(this)
            return stored.type === 'damaged' ? { type: 'abstains', epoch: 0 } : stored
          },
      ),
  },
  {
    name: 'missing-vote-counts-as-none',
    rule: 'D8',
    breaks: 'a vote file that is gone counts as one without a vote',
    by: 'a promise that is asked for again after the file was lost',
    scenario: missing,
    caughtAs: /a vote is given twice/,
    seedsMax: 1,
    patch: (patches) =>
      patches.method(
        LayoutStore.prototype,
        'readVote',
        (original) =>
          async function (this: LayoutStore) {
            const stored = await original.call(this)
            return stored.type === 'none' ? { type: 'abstains', epoch: 0 } : stored
          },
      ),
  },
  {
    name: 'silent-link-is-waited-for',
    rule: 'F11',
    breaks: 'a link that hears nothing counts as heard',
    by: 'a second link that becomes ready beside it',
    scenario: silentLink,
    caughtAs: /a silent link is/,
    seedsMax: 1,
    patch: (patches) => patches.getter(PeerLink.prototype, 'hearing', (): Hearing => 'clear'),
  },
]
