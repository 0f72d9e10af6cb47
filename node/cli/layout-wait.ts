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

/** Returns exit code 0 when the change is done, 1 when it was given up. */
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
    if (layout.epoch < begun.epoch) continue
    if (!isMade(layout, change, begun)) {
      waiter.end(layout)
      terminal.error(
        `shoal: the change was given up in epoch ${layout.epoch} (${layout.cause}): the members are those of ` +
          'before, and nothing is lost. The logs of the nodes say why; try again when that is solved',
      )
      return 1
    }
    if (layout.sources > 0) continue
    waiter.end(layout)
    if (!json) terminal.out(`done: epoch ${layout.epoch}`)
    return 0
  }
}

/** Waits until nothing is under way any more: no change, and no node that joins. */
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

class Waiter {
  readonly #client: Pick<AdminClient, 'layout'>
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #json: boolean
  #first = true
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

/** Whether the members are as the change wanted. `begun` has the ids of nodes that `change` names. */
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
