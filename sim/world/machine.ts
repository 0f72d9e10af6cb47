/** A machine of a simulated cluster: what outlives a process, and the processes that run on it one after the other. */

import { byteString, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { nodeId, type NodeId } from '../../protocol/ids.ts'
import type { Clock, Environment, Logger, Random } from '../../node/env/ports.ts'
import { poisonPools } from '../../node/tools/poison.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'
import { SimulatedDisk, type DiskImage } from './disk.ts'
import { SimulatedIndexStore, type IndexImage } from './index-store.ts'
import { SimulatedNetwork } from './network.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedSigner } from './signer.ts'
import { SimulatedTokenSigner } from './tokens.ts'
import { StoppableClock, type VirtualClock } from './virtual-clock.ts'
import type { SimulatedWeb } from './web.ts'
import type { Wires } from './wires.ts'

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** A copy of a machine's data directory, node.json included. */
export interface MachineImage {
  readonly disk: DiskImage
  readonly index: IndexImage
}

/** How a machine that was added later comes in. */
export interface JoiningState {
  /** Of its next start. */
  token: string
  /** The lost node whose place it takes. */
  readonly replace?: NodeId | undefined
}

/** What outlives a process: disk, index files, name. */
export interface Machine {
  readonly number: number
  readonly id: NodeId
  readonly clock: StoppableClock
  readonly disk: SimulatedDisk
  index: SimulatedIndexStore
  /** Absent for the founder and for nodes that `form` brings in. */
  joining?: JoiningState | undefined
  hasJoined: boolean
  /** Gone for good: its disk is lost, or it has left and was switched off. */
  retired: boolean
  /** As the boot number, but no image turns it back: no two lives draw the same numbers. */
  lives: number
  life: Life | undefined
}

/** One process: when it dies, its timers never fire and its network is unplugged. */
export interface Life {
  dead: boolean
  /** Settles when it has died. */
  readonly death: Promise<undefined>
  die: () => void
  node: ShoalNode | undefined
  network: SimulatedNetwork
}

function randomOf(random: () => number): Random {
  return {
    float: random,
    bytes: (length) => Uint8Array.from({ length }, () => Math.floor(random() * 256)),
  }
}

function nodeNameOf(seed: number, number: number): NodeId {
  const hash = byteString(blake3(utf8(`node ${seed} ${number}`)))
  let name = 'Sim'
  for (const character of hash.slice(0, 20)) name += BASE58[character.charCodeAt(0) % 58]
  return nodeId(name)
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

function consoleLogger(number: number): Logger {
  const line =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void =>
      console.error(`[${number}] ${level} ${message} ${JSON.stringify(fields)}`)
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  }
}

/** A new machine with an empty disk. */
export function newMachine(seed: number, number: number, clusterClock: VirtualClock): Machine {
  // A buffer that is reused too early fails every run, not a run now and then.
  poisonPools(true)
  const random = seededRandom(seed * 1000 + number + 1)
  const clock = new StoppableClock(clusterClock)
  return {
    number,
    id: nodeNameOf(seed, number),
    clock,
    disk: new SimulatedDisk({ clock, random }),
    index: new SimulatedIndexStore({ clock, random }),
    hasJoined: false,
    retired: false,
    lives: 0,
    life: undefined,
  }
}

/** A process begins on the machine. */
export function beginLife(machine: Machine, wires: Wires): Life {
  const network = new SimulatedNetwork(wires, machine.id)
  let die = (): void => {}
  const death = new Promise<undefined>((resolve) => {
    die = () => resolve(undefined)
  })
  const life: Life = { dead: false, death, die, node: undefined, network }
  machine.life = life
  return life
}

/** The ports of one process. `fail` is called when it gives up (D5). */
export function machineEnvironment(
  machine: Machine,
  life: Life,
  options: {
    random: () => number
    verbose: boolean
    fail: (reason: string) => void
    web: SimulatedWeb
  },
): Environment {
  const { clock } = machine
  const own: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, run) =>
      clock.after(delayMs, () => {
        if (!life.dead) run()
      }),
  }
  return {
    clock: own,
    random: randomOf(options.random),
    disk: machine.disk,
    network: life.network,
    signer: new SimulatedSigner(machine.id),
    tokens: new SimulatedTokenSigner(),
    outgoing: options.web.portOf(own),
    logger: options.verbose ? consoleLogger(machine.number) : SILENT,
    openIndex: () => machine.index.open(),
    fail: options.fail,
  }
}
