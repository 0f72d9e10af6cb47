/**
 * Rotating the cluster secret, and what follows from it: every access key is sealed anew. The member that rotates
 * does that at once. Should it die, the first member that is up does it; each looks after every adopted secret,
 * and after its own start. A pass that finds nothing changes nothing.
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

/** Others wait so long for the member that rotated. */
const LOOK_AFTER_MS = 30_000
const AGAIN_MS = 5_000

export interface SecretUpkeepOptions {
  readonly self: NodeId
  readonly layout: Pick<LayoutManager, 'secrets' | 'current' | 'isMember'>
  readonly rotation: Pick<Rotation, 'resealAll'>
  readonly peers: Pick<Peers, 'connected'>
  readonly clock: Clock
  readonly logger: Logger
}

export class SecretUpkeep {
  readonly #options: SecretUpkeepOptions
  /** Of the last pass that was completed here. */
  #sealed = 1
  #looking = false
  #stopped = false

  constructor(options: SecretUpkeepOptions) {
    this.#options = options
  }

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
      keysSealed: this.#sealed >= generation,
      ...(previousUntilMs > clock.nowMs() && { previousUntilMs }),
    }
  }

  /** Resolves when the next secret is in force; keys are sealed with it then, one after the other. */
  async rotate(overlapMs: number): Promise<SecretStatus> {
    const { layout, rotation, logger } = this.#options
    try {
      const { record } = layout.secrets
      // What the secret before the present one has sealed would be lost: members keep two.
      if (record !== undefined) await rotation.resealAll()
      const { generation } = await layout.secrets.rotate(overlapMs, generationOf(record))
      logger.info({ generation, overlapMs }, 'the cluster secret was rotated')
    } catch (error) {
      if (error instanceof MembershipError) throw new StoreError('Unavailable', error.message)
      throw error
    }
    void this.#look(0)
    return this.status()
  }

  /** After each adopted layout, and at the start. */
  look(): void {
    if (generationOf(this.#options.layout.secrets.record) > this.#sealed) {
      void this.#look(LOOK_AFTER_MS)
    }
  }

  stop(): void {
    this.#stopped = true
  }

  /** Never rejects. */
  async #look(waitMs: number): Promise<void> {
    if (this.#looking && waitMs > 0) return
    this.#looking = true
    const { layout, rotation, clock, logger } = this.#options
    let isMine = waitMs === 0
    if (!isMine) await sleep(clock, waitMs)
    for (;;) {
      const generation = generationOf(layout.secrets.record)
      if (this.#stopped || generation <= this.#sealed) break
      isMine ||= this.#isFirst()
      if (isMine) {
        try {
          const keys = await rotation.resealAll()
          this.#sealed = generation
          logger.info({ generation, keys }, 'access keys are sealed with the new cluster secret')
          continue
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error)
          logger.debug({ why }, 'access keys are not all sealed anew yet')
        }
      }
      await sleep(clock, isMine ? AGAIN_MS : LOOK_AFTER_MS)
    }
    this.#looking = false
  }

  #isFirst(): boolean {
    const { layout, self, peers } = this.#options
    const members = layout.current()?.members ?? []
    const up = members
      .map(({ nodeId }) => nodeId)
      .filter((node) => node === self || peers.connected(node))
    return layout.isMember() && up.sort()[0] === self
  }
}
