/** Makes members come and go among faults, by the documented commands. Each change must end once no fault is left. */

import { pauseMs } from '../../../bench/harness/process.ts'
import { RawClient } from '../../../bench/harness/s3.ts'
import type { LayoutChange, LayoutTable } from '../../../gateway/port/layout.ts'
import { isAtRest } from '../growth/layout-seen.ts'
import type { Fleet } from './fleet.ts'
import type { Injector } from './injector.ts'
import type { ScheduledChangeKind, ScheduledChange } from './schedule.ts'

const POLL_MS = 500
const MIB = 1 << 20

export interface ChangesOptions {
  /** How long a change may take among faults, milliseconds; then all faults are mended. */
  readonly roughMs: number
  /** How long it then has, milliseconds. */
  readonly calmMs: number
  readonly diskMib: number
  readonly say: (line: string) => void
}

export interface RealChangeCounts {
  begun: number
  refused: number
  givenUp: number
  completed: number
  /** Changes that ended only after everything was mended. */
  calmed: number
}

export class RealChanges {
  readonly #fleet: Fleet
  readonly #injector: Injector
  readonly #clients: RawClient[]
  readonly #options: ChangesOptions
  readonly counts = new Map<ScheduledChangeKind, RealChangeCounts>()
  /** Why something was refused, and how often. */
  readonly refusals = new Map<string, number>()
  #turn = 0

  constructor(fleet: Fleet, injector: Injector, clients: RawClient[], options: ChangesOptions) {
    this.#fleet = fleet
    this.#injector = injector
    this.#clients = clients
    this.#options = options
  }

  /** Lets nodes join before the first fault, until there are `size`. */
  async grow(size: number): Promise<void> {
    const more = Array.from({ length: size - this.#fleet.numbers.length }, () => nothingCounted())
    await Promise.all(more.map((counts) => this.#join(counts)))
    await this.settle('at first')
  }

  /** Makes one change. Rejects when it does not end. */
  async make(planned: ScheduledChange): Promise<void> {
    const { kind } = planned
    const startedMs = performance.now()
    const counts = this.#countsOf(kind)
    if (!planned.isEarly) await this.settle(`before ${kind}`)
    this.#injector.go()
    if (kind === 'join') await this.#join(counts)
    else if (kind === 'replace') await this.#join(counts, await this.#loseOne(planned))
    else if (kind === 'remove') {
      const name = await this.#loseOne(planned)
      await this.#ask(counts, { kind, node: name }, (layout) => !isMember(layout, name))
    } else if (kind === 'drain') {
      const number = this.#pick(planned)
      const name = `n${number}`
      this.#fleet.leaves(number)
      await this.#ask(counts, { kind, node: name }, (layout) => !isMember(layout, name))
    } else await this.#set(counts, planned)
    counts.completed++
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
    this.#options.say(`${kind}: done after ${seconds} s`)
    this.#injector.go()
  }

  /** Waits until nothing is under way, and switches off the nodes that have left. */
  async settle(when: string): Promise<void> {
    await this.#eventually(`${when}: nothing is under way`, async () => {
      const layout = await this.#fleet.layout()
      return layout !== undefined && isAtRest(layout) ? true : undefined
    })
    for (const number of this.#fleet.numbers) {
      if (this.#fleet.staying.includes(number)) continue
      await this.#eventually(`n${number}, which was drained, says that it has left`, async () =>
        this.#fleet.hasLeft(number) ? true : undefined,
      )
      this.#forget(number)
      await this.#fleet.lose(number)
    }
  }

  /**
   * Waits until every node says that another one may fail, which may be while blocks move. No fault begins after
   * that.
   */
  async untilSafe(when: string): Promise<void> {
    await this.#injector.calm()
    await this.#eventually(`${when}: another node may fail`, async (because) => {
      for (const number of this.#fleet.numbers) {
        const { canLoseANode, canLoseANodeWhy } = await this.#fleet.admin(number).status()
        if (canLoseANode) continue
        because(`n${number}: ${canLoseANodeWhy}`)
        return undefined
      }
      return true
    })
  }

  /** Waits until every node is ready, and takes a write. No fault begins after that. */
  async untilWhole(bucket: string): Promise<void> {
    await this.settle('in the end')
    await this.untilSafe('in the end')
    for (const number of this.#fleet.numbers) {
      await this.#eventually(`n${number} is ready`, async () =>
        this.#fleet.isReady(number) ? true : undefined,
      )
      const client = new RawClient(this.#fleet.endpoint(number), this.#fleet.credentials)
      await this.#eventually(`n${number} takes a write`, async () => {
        const body = Buffer.from('whole')
        await client.must({ method: 'PUT', bucket, key: `whole-${number}`, body })
        return true
      })
      client.close()
    }
  }

  async #join(counts: RealChangeCounts, replaced?: string): Promise<void> {
    const what = replaced === undefined ? 'a node joins' : `a node takes the place of ${replaced}`
    const token = await this.#eventually('a token', () =>
      this.#fleet.admin(this.#through()).issueToken(),
    )
    counts.begun++
    const number = await this.#fleet.join(token, replaced)
    const name = `n${number}`
    await this.#eventually(`${what}: ${name}`, async () => {
      const layout = await this.#fleet.layout()
      if (layout?.state !== 'STABLE' || !isMember(layout, name)) return undefined
      return replaced !== undefined && isMember(layout, replaced) ? undefined : true
    })
    this.#clients.push(new RawClient(this.#fleet.endpoint(number), this.#fleet.credentials))
  }

  async #set(counts: RealChangeCounts, planned: ScheduledChange): Promise<void> {
    const name = `n${this.#pick(planned)}`
    const before = await this.#eventually('the layout', async () => {
      const layout = await this.#fleet.layout()
      return layout?.nodes.find((node) => node.name === name && node.state === 'member')
    })
    const set =
      planned.kind === 'zone'
        ? { zone: before.zone === 'other' ? 'default' : 'other' }
        : { capacityBytes: Math.floor(this.#options.diskMib * MIB * (0.5 + planned.pick / 2)) }
    await this.#ask(counts, { kind: 'set', node: name, ...set }, (layout) =>
      layout.nodes.some(
        (node) =>
          node.name === name &&
          node.state === 'member' &&
          (set.zone === undefined || node.zone === set.zone) &&
          (set.capacityBytes === undefined || node.capacityBytes === set.capacityBytes),
      ),
    )
  }

  /** Asks for the change, and asks again when it was refused or given up, until the layout shows it. */
  async #ask(
    counts: RealChangeCounts,
    change: LayoutChange,
    isMade: (layout: LayoutTable) => boolean,
  ): Promise<void> {
    let begunAt: number | undefined
    await this.#eventually(JSON.stringify(change), async () => {
      const layout = await this.#fleet.layout()
      if (layout?.state !== 'STABLE') return undefined
      if (isMade(layout)) return true
      if (begunAt !== undefined) {
        if (layout.epoch < begunAt) return undefined
        counts.givenUp++
        this.#options.say(`given up in epoch ${layout.epoch}: ${layout.cause}`)
        begunAt = undefined
      }
      try {
        begunAt = (await this.#fleet.admin(this.#through()).applyChange(change)).epoch
        counts.begun++
        this.#options.say(`begun in epoch ${begunAt}: ${JSON.stringify(change)}`)
      } catch (error) {
        const why = reasonOf(error)
        if (!/no node answers/.test(why)) counts.refused++
        this.refusals.set(why, (this.refusals.get(why) ?? 0) + 1)
        throw error
      }
      return undefined
    })
  }

  /** Loses a node for good, once `status` permits that. Returns its name. */
  async #loseOne(planned: ScheduledChange): Promise<string> {
    await this.untilSafe(`before ${planned.kind}`)
    const number = this.#pick(planned)
    this.#options.say(`n${number} is lost for good`)
    this.#forget(number)
    await this.#fleet.lose(number)
    this.#injector.go()
    return `n${number}`
  }

  #pick({ pick }: ScheduledChange): number {
    const { staying } = this.#fleet
    const number = staying[Math.floor(pick * staying.length)]
    if (number === undefined) throw new Error('no node stays')
    return number
  }

  /** The nodes that are awake, in turn. */
  #through(): number {
    const { staying } = this.#fleet
    const awake = staying.filter((number) => this.#fleet.isAwake(number))
    return awake[this.#turn++ % awake.length] ?? staying[0] ?? 0
  }

  #forget(number: number): void {
    const endpoint = this.#fleet.endpoint(number)
    const at = this.#clients.findIndex((client) => client.endpoint === endpoint)
    if (at >= 0) this.#clients.splice(at, 1)
  }

  #countsOf(kind: ScheduledChangeKind): RealChangeCounts {
    let counts = this.counts.get(kind)
    if (counts === undefined) {
      counts = nothingCounted()
      this.counts.set(kind, counts)
    }
    this.#present = counts
    return counts
  }

  #present: RealChangeCounts | undefined

  /** Polls until there is a result. After `roughMs` everything is mended; `calmMs` later it throws. */
  async #eventually<T>(
    what: string,
    step: (because: (why: string) => void) => Promise<T | undefined>,
  ): Promise<T> {
    const startedMs = performance.now()
    let last = 'nothing was said'
    let calmSinceMs: number | undefined
    for (;;) {
      await this.#fleet.revive()
      try {
        const found = await step((why) => (last = why))
        if (found !== undefined) return found
      } catch (error) {
        last = reasonOf(error)
      }
      const nowMs = performance.now()
      if (calmSinceMs === undefined && this.#injector.isCalm) calmSinceMs = nowMs
      if (calmSinceMs === undefined && nowMs - startedMs > this.#options.roughMs) {
        this.#options.say(`${what}: not yet; everything is mended now (${last})`)
        if (this.#present !== undefined) this.#present.calmed++
        await this.#injector.calm()
        calmSinceMs = performance.now()
      }
      if (calmSinceMs !== undefined && nowMs - calmSinceMs > this.#options.calmMs) {
        const layout = JSON.stringify(await this.#fleet.layout())
        const seconds = this.#options.calmMs / 1_000
        throw new Error(`${what}: not within ${seconds} s of calm: ${last}\n${layout}`)
      }
      await pauseMs(POLL_MS)
    }
  }
}

function nothingCounted(): RealChangeCounts {
  return { begun: 0, refused: 0, givenUp: 0, completed: 0, calmed: 0 }
}

function isMember({ nodes }: LayoutTable, name: string): boolean {
  return nodes.some((node) => node.name === name && node.state !== 'source')
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/^node at \S+: /, '').slice(0, 300)
}
