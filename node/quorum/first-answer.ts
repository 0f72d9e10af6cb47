/** Asks peers one after the other until one has what is wanted. A peer that is slow is joined by the next one. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock } from '../env/ports.ts'
import type { CallKind, PeerHealth } from './peer-health.ts'

export interface FirstAnswerOptions {
  readonly clock: Clock
  readonly health: PeerHealth
  readonly kind: CallKind
}

/** Undefined when all were asked and none has it. Calls that are under way when one answers are not waited for. */
export function firstAnswer<T>(
  { clock, health, kind }: FirstAnswerOptions,
  peers: readonly NodeId[],
  ask: (peer: NodeId) => Promise<T | undefined>,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    let next = 0
    let open = 0
    let done = false
    let cancel = (): void => {}
    const finish = (answer: T | undefined): void => {
      done = true
      cancel()
      resolve(answer)
    }
    const askNext = (): void => {
      cancel()
      if (done) return
      const peer = peers[next++]
      if (peer === undefined) {
        if (open === 0) finish(undefined)
        return
      }
      open++
      ask(peer).then(
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
