/** Waits until a change of the layout is done. Draws bars on a terminal; elsewhere prints a line for each step. */

import type { LayoutChange, LayoutChanged, LayoutTable } from '../../gateway/port/layout.ts'
import type { Clock } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import type { AdminClient } from './admin-client.ts'
import { describeError } from './fatal.ts'
import { layoutLines, progressLines } from './layout-text.ts'
import type { Terminal } from './terminal.ts'

const POLL_MS = 500
/** The node may be started again while the command waits. */
const SILENT_MS_MAX = 60_000

/**
 * Waits until the change is made and its blocks have moved. Returns exit code 0 then, 1 when the
 * change was given up. Throws when the node is silent for longer than SILENT_MS_MAX.
 *
 * @param begun what the node answered when the change was begun: its epoch, and the ids of the nodes
 * @param json print nothing but the layout at the end
 */
export async function waitForChange(
  client: Pick<AdminClient, 'layout'>,
  change: LayoutChange,
  begun: LayoutChanged,
  terminal: Terminal,
  clock: Clock,
  json: boolean,
): Promise<number> {
  const waiter = new Waiter(client, terminal, clock, json)
  for (;;) {
    const layout = await waiter.next()
    if (layout.state !== 'STABLE') continue
    // The node that answers may not have adopted the new epoch yet.
    if (layout.epoch < begun.epoch) continue
    if (!isMade(layout, change, begun)) {
      waiter.end(layout)
      terminal.error(
        `shoal: the change was given up in epoch ${layout.epoch} (${layout.cause}): the members are the ` +
          'same as before, and nothing is lost. The logs of the nodes say why: try again when the cause is removed',
      )
      return 1
    }
    // The members are those that were asked for, and blocks are still on their way to them.
    if (layout.sources > 0) continue
    waiter.end(layout)
    if (!json) terminal.out(`done: epoch ${layout.epoch}`)
    return 0
  }
}

/**
 * Waits until nothing is under way any more: no change, and no node that joins. Returns the layout at
 * that moment.
 */
export async function waitForRest(
  client: Pick<AdminClient, 'layout'>,
  terminal: Terminal,
  clock: Clock,
  json: boolean,
): Promise<LayoutTable> {
  const waiter = new Waiter(client, terminal, clock, json)
  for (;;) {
    const layout = await waiter.next()
    if (layout.state !== 'STABLE' || layout.sources > 0) continue
    terminal.draw([])
    return layout
  }
}

/** Asks for the layout every POLL_MS and shows it. */
class Waiter {
  readonly #client: Pick<AdminClient, 'layout'>
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #json: boolean
  #first = true
  /** The step that was printed last, where there is no terminal. */
  #printed = ''

  constructor(
    client: Pick<AdminClient, 'layout'>,
    terminal: Terminal,
    clock: Clock,
    json: boolean,
  ) {
    this.#client = client
    this.#terminal = terminal
    this.#clock = clock
    this.#json = json
  }

  /**
   * The layout after the next pause, at once the first time. Tries again while the node does not
   * answer.
   */
  async next(): Promise<LayoutTable> {
    if (!this.#first) await sleep(this.#clock, POLL_MS)
    this.#first = false
    const sinceMs = this.#clock.monotonicMs()
    for (;;) {
      try {
        const layout = await this.#client.layout()
        this.#show(layout)
        return layout
      } catch (error) {
        if (this.#clock.monotonicMs() - sinceMs > SILENT_MS_MAX) throw error
        this.#terminal.draw([`${describeError(error)}: trying again`])
        await sleep(this.#clock, POLL_MS)
      }
    }
  }

  /** Removes what was drawn, and prints the layout if JSON was asked for. */
  end(layout: LayoutTable): void {
    this.#terminal.draw([])
    if (this.#json) this.#terminal.out(JSON.stringify(layout))
  }

  #show(layout: LayoutTable): void {
    if (this.#json) return
    const { columns, isTty } = this.#terminal
    if (isTty) {
      this.#terminal.draw([
        ...layoutLines(layout),
        ...progressLines(layout, columns),
        'Ctrl-C ends the waiting, not the change',
      ])
      return
    }
    const step = `${layout.epoch} ${layout.state}`
    if (step === this.#printed) return
    this.#printed = step
    this.#terminal.out(`epoch ${layout.epoch}: ${layout.underWay}`)
  }
}

/**
 * Whether the members are as the change wanted. A change that was given up also ends STABLE, with the
 * members of before. `begun` has the ids of nodes that `change` names.
 */
export function isMade(layout: LayoutTable, change: LayoutChange, begun: LayoutChanged): boolean {
  const member = (id: string | undefined): LayoutTable['nodes'][number] | undefined =>
    layout.nodes.find(({ node, state }) => node === id && state !== 'source')
  switch (change.kind) {
    case 'drain':
    case 'remove':
      return member(begun.node) === undefined
    case 'replace':
      return member(begun.node) === undefined && member(begun.by) !== undefined
    case 'set': {
      const { name, zone, capacityBytes } = change
      const found = member(begun.node)
      return (
        found !== undefined &&
        (name === undefined || found.name === name) &&
        (zone === undefined || found.zone === zone) &&
        (capacityBytes === undefined || found.capacityBytes === capacityBytes)
      )
    }
    case 'replication':
      return layout.replication === change.replication
  }
}
