/** A whole cluster in one thread: node/assembly/node.ts unchanged on simulated ports. */

import { crc32 } from 'node:zlib'
import { hex } from '../../protocol/bytes.ts'
import { blake3, createBlake3 } from '../../protocol/hash.ts'
import { storageId, type NodeId } from '../../protocol/ids.ts'
import { utf8 } from '../../protocol/bytes.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../../node/env/ports.ts'
import type { RegisterObserver } from '../../node/quorum/register-events.ts'
import { ShoalNode } from '../../node/assembly/node.ts'
import type { SpaceSettings } from '../../node/reclaim/space-reclaim.ts'
import type { UpkeepSettings } from '../../node/repair/upkeep.ts'
import { openStore } from '../../node/assembly/open-store.ts'
import type { SimulatedDisk } from './disk.ts'
import { SimulatedIndexStore } from './index-store.ts'
import { SimulatedWeb } from './web.ts'
import { Wires } from './wires.ts'
import { openNodeFiles, readNodeRecord } from './node-files.ts'
import { seededRandom } from './seeded-random.ts'
import { secretStore } from '../../node/process/secret-store.ts'
import { VirtualClock } from './virtual-clock.ts'
import {
  beginLife,
  type JoiningState,
  type Life,
  type Machine,
  machineEnvironment,
  type MachineImage,
  newMachine,
} from './machine.ts'

const PARTITION_BITS = 6

const SEGMENT_BYTES = 4 << 20

const TRACE_CHARS_MAX = 64 << 10

const TOKEN_MS = 3_600_000

const REBUILD_SEGMENT_BYTES = 2 ** 31

export interface ClusterOptions {
  readonly seed: number
  readonly nodes: number
  readonly observer: (node: number, event: Parameters<RegisterObserver>[0]) => void
  readonly verbose?: boolean | undefined
  /** Delays and rates of reclaiming space. */
  readonly space?: SpaceSettings | undefined
  /** Compaction and scrub. */
  readonly upkeep?: UpkeepSettings | undefined
  /** 4 MiB unless given. */
  readonly segmentSizeBytes?: number | undefined
  /** False founds it as earlier programs did, with system registers among all others. */
  readonly systemPartitions?: boolean | undefined
  /** Memory for small blocks that were read last, of every second node: the others ask their disk each time. None unless given. */
  readonly recentBytesMax?: number | undefined
  /** Of all parts but the last; AWS's 5 MiB unless given. */
  readonly partBytesMin?: number | undefined
  /** How fast a node fetches blocks when the layout changes; as the program does unless given. */
  readonly moveBytesPerSecond?: number | undefined
  /** Nodes that form the cluster; the others are started later. All unless given. */
  readonly members?: number | undefined
  /** After how long a dead member is removed; never unless given. */
  readonly removeAfterMs?: number | undefined
  /** Puts other ports in place of a node's: mutants come in here. */
  readonly adapt?: ((environment: Environment, node: number) => Environment) | undefined
}

export class SimulatedCluster {
  readonly clock = new VirtualClock()
  readonly random: () => number
  readonly wires: Wires
  readonly web: SimulatedWeb
  readonly failures: string[] = []
  /** Factor for the time for which clients think. */
  thinkFactor = 1
  /** Nodes that may give up, as their disks fail (D5). */
  readonly mayFail = new Set<number>()
  readonly #options: ClusterOptions
  readonly #machines: Machine[] = []
  readonly #trace = createBlake3()
  /** Traced, but not yet in the digest. */
  #lines = ''
  #join: string | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.random = seededRandom(options.seed)
    this.wires = new Wires(this.clock, this.random, (line, bytes) => this.trace(line, bytes))
    this.web = new SimulatedWeb(seededRandom(options.seed * 104_729 + 1))
    for (let number = 0; number < options.nodes; number++) {
      this.#machines.push(newMachine(options.seed, number, this.clock))
    }
  }

  /** One more machine with an empty disk, which is not started; its number. */
  add(joining: JoiningState): number {
    const number = this.#machines.length
    this.#machines.push({ ...newMachine(this.#options.seed, number, this.clock), joining })
    return number
  }

  /** kill -9, and it never comes back. */
  retire(number: number): void {
    this.kill(number, true)
    this.#machines[number]!.retired = true
    this.trace(`retire ${number}`)
  }

  isRetired(number: number): boolean {
    return this.#machines[number]!.retired
  }

  /** It was added, and has never been up as a member. */
  isJoining(number: number): boolean {
    const { joining, hasJoined } = this.#machines[number]!
    return joining !== undefined && !hasJoined
  }

  /** By the highest epoch that anybody who is up knows. */
  latestView(): LayoutView | undefined {
    let latest: LayoutView | undefined
    for (const { life } of this.#machines) {
      const view = life?.node?.layout.current()
      if (view !== undefined && view.epoch > (latest?.epoch ?? 0)) latest = view
    }
    return latest
  }

  /** Its role in the layout by that epoch, undefined when none is known. */
  roleOf(number: number): ReturnType<LayoutView['role']> {
    return this.latestView()?.role(this.idOf(number))
  }

  /** Machines that are not gone for good. */
  get numbers(): number[] {
    return this.#machines.filter(({ retired }) => !retired).map(({ number }) => number)
  }

  get size(): number {
    return this.#machines.length
  }

  /** Everything that happens goes here: the same seed gives the same digest. */
  trace(line: string, bytes?: Uint8Array): void {
    if (bytes === undefined && this.#options.verbose) {
      console.error(`${this.clock.monotonicMs().toFixed(0)} ${line}`)
    }
    const sum = bytes === undefined ? '' : ` ${crc32(bytes)}`
    this.#lines += `${Math.round(this.clock.monotonicMs() * 1_000)} ${line}${sum}\n`
    if (this.#lines.length > TRACE_CHARS_MAX) this.#hashLines()
  }

  #hashLines(): void {
    this.#trace.update(utf8(this.#lines))
    this.#lines = ''
  }

  /** The digest of everything traced. Call it once, at the end. */
  digest(): string {
    this.#hashLines()
    return hex(this.#trace.digest()).slice(0, 16)
  }

  node(number: number): ShoalNode | undefined {
    return this.#machines[number]!.life?.node
  }

  idOf(number: number): NodeId {
    return this.#machines[number]!.id
  }

  alive(number: number): boolean {
    return this.#machines[number]!.life !== undefined
  }

  /** Node 0 founds; the others join by its token. */
  async form(): Promise<void> {
    await this.start(0)
    const { members = this.#machines.length } = this.#options
    const others = this.#machines.length - 1
    if (others === 0) return
    this.#join = await this.node(0)!.admin.issueToken({
      ttlMs: TOKEN_MS,
      uses: others,
    })
    await Promise.all(this.#machines.slice(1, members).map(({ number }) => this.start(number)))
  }

  /** Nodes that are started from now on join by a token of this member. */
  async invite(number: number): Promise<void> {
    const options = { ttlMs: TOKEN_MS, uses: this.#machines.length }
    this.#join = await this.node(number)!.admin.issueToken(options)
  }

  /** Resolves when the node is up, or was killed in its start. `acceptLostLog`: its log is gone for good. */
  async start(
    number: number,
    {
      acceptLostLog = false,
      replace,
      hasToken = true,
    }: { acceptLostLog?: boolean; replace?: NodeId; hasToken?: boolean } = {},
  ): Promise<void> {
    const machine = this.#machines[number]!
    const storage = storageId(hex(blake3(utf8(`storage ${machine.id}`)).subarray(0, 12)))
    const origin = number === 0 ? 'found' : 'join'
    const files = openNodeFiles(machine.disk, { storageId: storage, origin })
    const life = beginLife(machine, this.wires)
    /** A process that is dead writes nothing. */
    const remember = (changes: Parameters<typeof files.remember>[0]): void => {
      if (!life.dead) files.remember(changes)
    }
    const { boot, logId: expectedId } = files.record
    this.trace(`start ${number} boot ${boot}`)
    for (const name of files.mended) this.trace(`mended ${number} ${name}`)
    const random = this.#drawer(machine)
    const own = this.#environment(machine, life, random)
    const env = this.#options.adapt?.(own, number) ?? own
    try {
      const starting = ShoalNode.start(env, {
        storageId: files.record.storageId,
        boot,
        raiseBoot: (raised) => remember({ boot: raised }),
        zone: 'sim',
        capacityBytes: 2 ** 40,
        segmentSizeBytes: this.#options.segmentSizeBytes ?? SEGMENT_BYTES,
        log: { expectedId, acceptLost: acceptLostLog, opened: (logId) => remember({ logId }) },
        space: this.#options.space,
        upkeep: this.#options.upkeep,
        notifications: this.web.settings,
        removeAfterMs: this.#options.removeAfterMs,
        moveBytesPerSecond: this.#options.moveBytesPerSecond,
        partBytesMin: this.#options.partBytesMin,
        recentBytesMax: number % 2 === 0 ? undefined : this.#options.recentBytesMax,
        clusterSecret: secretStore(() => files.record, remember),
        ...(number === 0
          ? {
              // Other nodes take the placement from the layout.
              partitionBits: PARTITION_BITS,
              systemPartitions: this.#options.systemPartitions,
              root: {
                accountId: '000000000001',
                accessKeyId: 'SIM',
                secretAccessKey: 'simulated',
              },
            }
          : {
              join: hasToken ? (machine.joining?.token ?? this.#join) : undefined,
              replace: replace ?? machine.joining?.replace,
            }),
        observer: (event) => {
          if (!life.dead) this.#options.observer(number, event)
        },
      })
      const node = await Promise.race([starting, life.death])
      if (life.dead) return
      life.node = node
      machine.hasJoined = true
    } catch (error) {
      if (!life.dead) throw error
    }
  }

  /** kill -9. `power`: the machine goes down too, and what was not flushed may be lost. */
  kill(number: number, power: boolean): void {
    const machine = this.#machines[number]!
    const { life } = machine
    if (life === undefined) return
    this.trace(`kill ${number} ${power ? 'power' : 'process'}`)
    life.dead = true
    machine.life = undefined
    life.die()
    life.network.pull()
    machine.clock.resume()
    this.wires.resume(machine.id)
    if (power) {
      machine.disk.crash()
      machine.index.crash()
    } else {
      machine.disk.kill()
      machine.index.kill()
    }
  }

  /** For tests that damage it while the node is down. */
  diskOf(number: number): SimulatedDisk {
    return this.#machines[number]!.disk
  }

  /** The index is gone: the next start rebuilds it from the log. */
  wipeIndex(number: number): void {
    const machine = this.#machines[number]!
    const random = seededRandom(this.#options.seed * 1000 + number + 501)
    machine.index = new SimulatedIndexStore({ clock: machine.clock, random })
  }

  /** The data directory as it is now, of a node that is up or down. */
  imageOf(number: number): MachineImage {
    const { disk, index } = this.#machines[number]!
    return { disk: disk.image(), index: index.image() }
  }

  /** An old copy is put back in place of everything. The node must be down. */
  restore(number: number, image: MachineImage): void {
    const machine = this.#down(number)
    machine.disk.restore(image.disk)
    machine.index.restore(image.index)
    this.trace(`restore ${number} boot ${readNodeRecord(machine.disk)?.boot}`)
  }

  /** `shoal index rebuild` on a node that is down; the result is what it would print of damage. */
  async rebuildIndex(number: number): Promise<{ damaged: number }> {
    const machine = this.#down(number)
    this.trace(`index rebuild ${number}`)
    const logId = readNodeRecord(machine.disk)?.logId
    this.wipeIndex(number)
    const life = beginLife(machine, this.wires)
    const work = async (): Promise<{ damaged: number }> => {
      const env = this.#environment(machine, life, this.#drawer(machine))
      const store = await openStore(env, {
        segmentSizeBytes: REBUILD_SEGMENT_BYTES,
        expectedLogId: logId,
      })
      await store.commitIndex()
      const damaged = store.damage().length
      await store.close()
      return { damaged }
    }
    const done = await Promise.race([work(), life.death])
    if (machine.life === life) this.kill(number, false)
    return done ?? { damaged: 0 }
  }

  /** SIGTERM: a clean stop. False when it was killed meanwhile. */
  async halt(number: number): Promise<boolean> {
    const { life } = this.#machines[number]!
    if (life?.node === undefined) return false
    this.trace(`halt ${number}`)
    const { node } = life
    await Promise.race([node.stop(), life.death])
    if (life.dead) return false
    this.kill(number, false)
    return true
  }

  /** `shoal scrub` on a node that is up: resolves when the scrub has finished or the node is gone. */
  async scrub(number: number): Promise<void> {
    const node = this.node(number)
    node?.upkeep.scrubFast()
    while (node?.upkeep.scrubStatus().running === true && this.node(number) === node) {
      await new Promise<void>((resolve) => void this.clock.after(100, resolve))
    }
  }

  /** SIGSTOP: no timer fires, nothing is answered, links stay up. */
  stop(number: number): void {
    this.trace(`stop ${number}`)
    this.#machines[number]!.clock.stop()
    this.wires.stop(this.idOf(number))
  }

  /** Puts the machine's wall clock `offsetMs` off the true time from now on. */
  jumpClock(number: number, offsetMs: number): void {
    this.trace(`clock ${number} ${Math.round(offsetMs)}`)
    this.#machines[number]!.clock.jump(offsetMs)
  }

  /** SIGCONT: all that was due happens now. */
  resume(number: number): void {
    this.trace(`resume ${number}`)
    this.#machines[number]!.clock.resume()
    this.wires.resume(this.idOf(number))
  }

  #drawer(machine: Machine): () => number {
    machine.lives++
    return seededRandom(this.#options.seed * 7919 + machine.number * 31 + machine.lives)
  }

  #down(number: number): Machine {
    const machine = this.#machines[number]!
    if (machine.life !== undefined) throw new Error(`node ${number} is up`)
    return machine
  }

  #environment(machine: Machine, life: Life, random: () => number): Environment {
    const fail = (reason: string): void => {
      if (life.dead) return
      if (!this.mayFail.has(machine.number)) {
        this.failures.push(`node ${machine.number} failed: ${reason}`)
      }
      this.kill(machine.number, false)
    }
    const verbose = this.#options.verbose === true
    return machineEnvironment(machine, life, { random, verbose, fail, web: this.web })
  }
}
