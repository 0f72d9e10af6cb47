/** Asks peers one after the other until one has what is wanted. A peer that is slow is joined by the next one. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock } from '../env/ports.ts'
import type { CallKind, PeerHealth } from './peer-health.ts'

export interface FirstAnswerOptions {
  readonly clock: Clock
  readonly health: PeerHealth
  readonly kind: CallKind
}

/**
 * Resolves with the first answer that is not undefined; undefined when all were asked and none has it. A peer that
 * fails counts as one that does not have it. Never rejects. Calls that are under way when one answers are not waited
 * for.
 * @param peers in the order in which they are asked
 * @param ask with `isOver`, which says whether another answer has come first
 */
export function firstAnswer<T>(
  { clock, health, kind }: FirstAnswerOptions,
  peers: readonly NodeId[],
  ask: (peer: NodeId, isOver: () => boolean) => Promise<T | undefined>,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    let next = 0
    let open = 0
    let done = false
    let cancel = (): void => {}
    const isOver = (): boolean => done
    const finish = (answer: T | undefined): void => {
      done = true
      cancel()
      resolve(answer)
    }
    /** Asks the next peer, because the one before has nothing, has failed, or is slow. */
    const askNext = (): void => {
      cancel()
      if (done) return
      const peer = peers[next++]
      if (peer === undefined) {
        if (open === 0) finish(undefined)
        return
      }
      open++
      ask(peer, isOver).then(
        (answer) => {
          open--
          if (done) return
          if (answer === undefined) askNext()
          else finish(answer)
        },
        () => {
          open--
          if (!done) askNext()
        },
      )
      if (next < peers.length) hedgeLater(peer)
    }
    /** Waits as long as an answer usually takes, then asks the next peer as well if hedges are left. */
    const hedgeLater = (peer: NodeId): void => {
      cancel = clock.after(health.hedgeAfterMs(kind), () => {
        if (done) return
        if (health.mayHedge(peer, kind)) askNext()
        else hedgeLater(peer)
      })
    }
    askNext()
  })
}
