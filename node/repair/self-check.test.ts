/** An old copy of a directory (D2) abstains from exactly the entries on which its earlier life may have voted. */

import { expect, test } from 'vitest'
import { nodeId } from '../../protocol/ids.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { SelfCheck, type SelfCheckOptions } from './self-check.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']
const LATER_BOOT = 9

/** Node a of `count` members, which all saw a later boot of it. Each greets at every tick. */
class Scene {
  readonly epochs = new Map<string, number>()
  readonly abstained: number[] = []
  readonly check: SelfCheck
  readonly #ticks: (() => void)[] = []

  constructor(count: number, epoch: number) {
    const members = NAMES.slice(0, count).map((name) => testMember(name))
    const view = new LayoutView({ ...stable(members), epoch })
    const ids = new Map(members.map(({ nodeId: id }, i) => [id, NAMES[i]!]))
    const told = new Map<string, { boot: number; life: string }>()
    const options = {
      self: members[0]!.nodeId,
      storageId: members[0]!.storageId,
      boot: 3,
      startSequence: 10,
      sequence: () => 10,
      forgotten: { add: () => Promise.resolve() },
      peers: {
        connected: (peer: ReturnType<typeof nodeId>) => this.epochs.has(ids.get(peer)!),
        hello: (
          peer: ReturnType<typeof nodeId>,
          { boot, life }: { boot: number; life: string },
        ) => {
          const before = told.get(peer) ?? { boot: LATER_BOOT, life: 'earlier' }
          if (boot > before.boot) told.set(peer, { boot, life })
          return Promise.resolve({
            ...before,
            sequence: 10,
            epoch: this.epochs.get(ids.get(peer)!)!,
          })
        },
      },
      view: () => view,
      raiseBoot: () => undefined,
      abstain: (from: number) => {
        this.abstained.push(from)
        return Promise.resolve()
      },
      onProven: () => undefined,
      fail: (reason: string) => {
        throw new Error(reason)
      },
      clock: {
        after: (_delayMs: number, run: () => void) => {
          this.#ticks.push(run)
          return () => undefined
        },
      },
      random: { float: () => 0.5, bytes: (length: number) => new Uint8Array(length).fill(7) },
      logger: { debug() {}, info() {}, warn() {}, error() {} },
    } as unknown as SelfCheckOptions
    this.check = new SelfCheck(options)
  }

  /** Delivers the epochs that these members name. Members that are not listed are away. */
  async hear(epochs: Record<string, number>): Promise<number[]> {
    this.epochs.clear()
    for (const [name, epoch] of Object.entries(epochs)) this.epochs.set(name, epoch)
    this.abstained.length = 0
    for (let round = 0; round < 3; round++) {
      this.#ticks.shift()?.()
      for (let turn = 0; turn < 100; turn++) await Promise.resolve()
    }
    return [...new Set(this.abstained)]
  }
}

async function restored(count: number, epoch: number): Promise<Scene> {
  const scene = new Scene(count, epoch)
  scene.check.start()
  await Promise.resolve()
  return scene
}

test('of three members, when both others answer: up to the entry after theirs', async () => {
  const scene = await restored(3, 7)
  expect(await scene.hear({ b: 6, c: 7 })).toEqual(expect.arrayContaining([7, 8]))
  expect(await scene.hear({ b: 8, c: 8 })).toEqual([])
})

test('of three members, while one has not answered: from each entry that comes', async () => {
  const scene = await restored(3, 7)
  await scene.hear({ b: 7 })
  expect(scene.check.isProven).toBe(true)
  expect(await scene.hear({ b: 7 })).toEqual([8])
  expect(await scene.hear({ b: 7, c: 7 })).toEqual([8])
  expect(await scene.hear({ b: 8, c: 8 })).toEqual([])
})

test('of five members, three other answers are enough: two may not have voted with it', async () => {
  const scene = await restored(5, 7)
  await scene.hear({ b: 7, c: 7 })
  expect(await scene.hear({ b: 7, c: 7 })).toEqual([8])
  expect(await scene.hear({ b: 7, c: 7, d: 6 })).toEqual(expect.arrayContaining([7]))
  expect(await scene.hear({ b: 8, c: 8, d: 8, e: 8 })).toEqual([])
})

test('no member counts by the old layout while this node has yet to learn of theirs', async () => {
  const scene = await restored(3, 5)
  await scene.hear({ b: 7, c: 7 })
  expect(await scene.hear({ b: 7, c: 7 })).toEqual([8])
})
