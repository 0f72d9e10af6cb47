/**
 * Rotates the cluster secret, and then encrypts every access key with the new one. The member that rotates does that at
 * once. If it dies, the first member that is up does it: each member looks when it adopts a new secret, and after its
 * own start. A pass that finds nothing to do changes nothing.
 */

import type { SecretStatus } from '../../gateway/port/status.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { generationOf } from '../../protocol/layout/secret.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { Rotation } from '../iam/rotation.ts'
import { MembershipError } from '../layout/errors.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Peers } from '../quorum/peers.ts'

/** How long the other members wait for the member that rotated. */
const LOOK_AFTER_MS = 30_000
/** A pass that failed is tried again after this long. Usually a majority was missing for a moment. */
const AGAIN_MS = 5_000

export interface SecretUpkeepOptions {
  readonly self: NodeId
  /** Decides and adopts the secret, and says who the members are. */
  readonly layout: Pick<LayoutManager, 'secrets' | 'current' | 'isMember'>
  /** Encrypts the access keys again. */
  readonly rotation: Pick<Rotation, 'encryptAll'>
  readonly peers: Pick<Peers, 'connected'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Rotates, and sees to it that a rotation is completed. One for each node. */
export class SecretUpkeep {
  readonly #options: SecretUpkeepOptions
  /** The generation of the secret whose pass was completed here last. */
  #doneGeneration = 1
  /** A loop of `#look` runs. */
  #looking = false
  #stopped = false

  constructor(options: SecretUpkeepOptions) {
    this.#options = options
  }

  /** Which secret is in force, and whether this node knows that all access keys are encrypted with it. */
  status(): SecretStatus {
    const { layout, clock } = this.#options
    const { record } = layout.secrets
    const generation = generationOf(record)
    if (record === undefined) return { generation, keysSealed: true }
    const { sinceMs, overlapMs } = record
    const previousUntilMs = sinceMs + overlapMs
    return {
      generation,
      sinceMs,
      keysSealed: this.#doneGeneration >= generation,
      ...(previousUntilMs > clock.nowMs() && { previousUntilMs }),
    }
  }

  /**
   * Draws a new secret. Resolves when it is in force. The access keys are then encrypted with it, one
   * after the other.
   *
   * @param overlapMs how long sessions that the present secret signed stay valid
   * @throws StoreError Unavailable when no majority answers, or keys could not be encrypted with the
   *   present secret first
   */
  async rotate(overlapMs: number): Promise<SecretStatus> {
    const { layout, rotation, logger } = this.#options
    try {
      const { record } = layout.secrets
      // Members keep two secrets: keys that still need the one before the present one would be lost.
      if (record !== undefined) await rotation.encryptAll()
      const { generation } = await layout.secrets.rotate(overlapMs, generationOf(record))
      logger.info({ generation, overlapMs }, 'the cluster secret was rotated')
    } catch (error) {
      if (error instanceof MembershipError) throw new StoreError('Unavailable', error.message)
      throw error
    }
    void this.#look(0)
    return this.status()
  }

  /** Called after each adopted layout, and at the start. */
  look(): void {
    if (generationOf(this.#options.layout.secrets.record) > this.#doneGeneration) {
      void this.#look(LOOK_AFTER_MS)
    }
  }

  /** Ends the loop after its present step. */
  stop(): void {
    this.#stopped = true
  }

  /**
   * Runs until the pass for the present secret is done, here or by another node's work. Never
   * rejects.
   *
   * @param waitMs 0 for the node that rotated, which begins at once
   */
  async #look(waitMs: number): Promise<void> {
    if (this.#looking && waitMs > 0) return
    this.#looking = true
    const { layout, rotation, clock, logger } = this.#options
    let isMine = waitMs === 0
    if (!isMine) await sleep(clock, waitMs)
    for (;;) {
      const generation = generationOf(layout.secrets.record)
      if (this.#stopped || generation <= this.#doneGeneration) break
      isMine ||= this.#isFirst()
      if (isMine) {
        try {
          const keys = await rotation.encryptAll()
          this.#doneGeneration = generation
          logger.info({ generation, keys }, 'access keys are encrypted with the new cluster secret')
          continue
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error)
          logger.debug({ why }, 'not all access keys are encrypted with the new secret yet')
        }
      }
      await sleep(clock, isMine ? AGAIN_MS : LOOK_AFTER_MS)
    }
    this.#looking = false
  }

  /**
   * Whether this node has the lowest id of the members that are up, as it sees them. Two nodes may
   * both think so: a pass does no harm twice.
   */
  #isFirst(): boolean {
    const { layout, self, peers } = this.#options
    const members = layout.current()?.members ?? []
    const up = members
      .map(({ nodeId }) => nodeId)
      .filter((node) => node === self || peers.connected(node))
    return layout.isMember() && up.sort()[0] === self
  }
}
