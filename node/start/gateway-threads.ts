/**
 * The gateway threads of a node, as the core has them. They are started before the core recovers, and load their code
 * meanwhile; they listen when the node is up.
 *
 * Invariants:
 *   - a thread that ends before it was told to takes the process with it: its requests cannot be finished by another
 *   - a thread is ended only when it has closed its port, or with the whole start
 */

import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { MetricsSnapshot } from '../../gateway/admin/metrics.ts'
import { Certificates, type TlsCertificate } from '../../gateway/http/certificates.ts'
import type { GatewayAddress } from '../../gateway/listener.ts'
import { WorkQueue } from '../../gateway/http/work-queue.ts'
import type { Backend } from '../../gateway/port/backend.ts'
import type { IamBackend } from '../../gateway/port/iam-backend.ts'
import type { InTurns } from '../../gateway/port/in-turns.ts'
import type { RightsSource } from '../../gateway/port/rights.ts'
import { createLimitsMemory } from '../../gateway/overload/process-budget.ts'
import type { Gateway } from '../../gateway/server.ts'
import { createBlockMemory, SharedBlocks } from '../../gateway/threads/blocks.ts'
import { CoreLink } from '../../gateway/threads/core-link.ts'
import type { Clock, Random } from '../env/ports.ts'
import { afterTurn } from '../env/system.ts'
import type { Config } from '../process/config.ts'
import type { NodeHooks } from '../process/running-node.ts'
import { isPoisoning } from '../tools/poison.ts'
import { writeLines } from './thread-lines.ts'
import type {
  BoundAddress,
  GatewaySettings,
  PortFace,
  ThreadOptions,
  ToCore,
  ToThread,
} from './thread-messages.ts'

/** Shared memory for bodies on their way, for all threads together; unused blocks take no memory. */
const BLOCKS = 64
/** How long a scrape of the metrics waits for a thread's counters. */
const COUNT_MS = 1_000
/** What systems say that cannot share a port among sockets. */
const CANNOT_SHARE = new Set(['ENOTSUP', 'EINVAL', 'ENOPROTOOPT', 'EOPNOTSUPP', 'ENOSYS'])

const SOURCE = new URL('./gateway-thread.ts', import.meta.url)
/** Compiled code (`npm run build`) has its own name for the file. The bundle has named it above. */
const FILE = import.meta.url.endsWith('.js') ? new URL(SOURCE.href.replace(/\.ts$/, '.js')) : SOURCE

/** What the threads reach in the core. */
export interface ServedPorts {
  readonly backend: Backend
  readonly iam: IamBackend
  readonly rights: RightsSource
}

export interface GatewayThreadsOptions {
  readonly config: Pick<Config, 'gatewayThreads' | 'logLevel'>
  readonly settings: GatewaySettings
  readonly hooks: Pick<NodeHooks, 'logger' | 'accessLog' | 'failed'>
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
}

/** What a start uses of a gateway. */
export type ServedGateway = Pick<
  Gateway,
  'listen' | 'listenForWebsites' | 'close' | 'replaceCertificates'
>

/** A gateway that is several threads: a connection is served by whichever the system gives it to. */
export class GatewayThreads implements ServedGateway {
  readonly #options: GatewayThreadsOptions
  readonly #blocks: SharedBlocks
  #threads: readonly GatewayThread[]

  /** Starts the threads. They load their code now. */
  constructor(options: GatewayThreadsOptions) {
    this.#options = options
    const memory = createBlockMemory(BLOCKS, { poisoned: isPoisoning() })
    this.#blocks = new SharedBlocks(memory)
    const count = canSharePorts() ? options.config.gatewayThreads : 1
    const { random } = options
    const limits = count > 1 ? createLimitsMemory((length) => random.bytes(length)) : undefined
    this.#threads = Array.from(
      { length: count },
      (_, at) => new GatewayThread({ ...options, memory, limits, link: at + 1 }),
    )
    if (count < options.config.gatewayThreads) this.#warn()
  }

  /** From now on the threads' calls are carried out on this store. */
  connect(node: ServedPorts): this {
    const queue = new WorkQueue(this.#options.clock)
    const inTurns: InTurns = (work) => queue.run(work, {})
    for (const thread of this.#threads) thread.connect(node, inTurns, this.#blocks)
    return this
  }

  listen(address: GatewayAddress): Promise<BoundAddress> {
    return this.#listen(address, 's3')
  }

  listenForWebsites(address: GatewayAddress): Promise<BoundAddress> {
    return this.#listen(address, 'website')
  }

  /** All threads listen, or none goes on. Port 0 is any free one, the same for all. */
  async #listen({ host, port }: GatewayAddress, face: PortFace): Promise<BoundAddress> {
    const [first, ...others] = this.#threads as [GatewayThread, ...GatewayThread[]]
    if (others.length === 0) return first.listen({ host, port }, face)
    let bound: BoundAddress
    try {
      bound = await first.listen({ host, port, sharing: 'begin' }, face)
    } catch (error) {
      if (!CANNOT_SHARE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      bound = await first.listen({ host, port }, face)
      this.#warn()
      this.#threads = [first]
      await Promise.all(others.map((each) => each.end()))
      return bound
    }
    const further = { host, port: bound.port, sharing: 'join' } as const
    await Promise.all(others.map((each) => each.listen(further, face)))
    return bound
  }

  /** See Gateway. */
  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    // Throws here, so that no thread gets what is not valid.
    void new Certificates(certificates)
    for (const thread of this.#threads) thread.replaceCertificates(certificates)
  }

  async close({ drainMs }: { drainMs: number }): Promise<void> {
    await Promise.all(this.#threads.map((each) => each.close(drainMs)))
    await this.end()
  }

  /** Ends all threads, whatever they are doing. */
  async end(): Promise<void> {
    await Promise.all(this.#threads.map((each) => each.end()))
  }

  /** The counters of the threads that have not ended. Of one that does not answer in time, those that it said last. */
  async counts(): Promise<readonly MetricsSnapshot[]> {
    const counted = await Promise.all(this.#threads.map((each) => each.counts()))
    return counted.filter((counts) => counts !== undefined)
  }

  #warn(): void {
    this.#options.hooks.logger.warn(
      { gatewayThreads: this.#options.config.gatewayThreads },
      'this system cannot share a port among threads: there is one gateway thread',
    )
  }
}

/** Earlier versions ignore `reusePort`. */
function canSharePorts(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 23 || (major === 23 && minor >= 1)
}

type ThreadStart = GatewayThreadsOptions & {
  readonly memory: SharedArrayBuffer
  readonly limits: SharedArrayBuffer | undefined
  readonly link: number
}

class GatewayThread {
  readonly #start: ThreadStart
  readonly #worker: Worker
  /** The core's end of the port of storage. */
  readonly #storage: MessagePort
  #core: CoreLink | undefined
  /** What the thread was told to do last, until it answers. It is told nothing else to do meanwhile. */
  #asked: PromiseWithResolvers<BoundAddress | undefined> | undefined
  /** Who waits for the counters. */
  #counting: ((counts: MetricsSnapshot | undefined) => void)[] = []
  /** What the thread said last. */
  #counts: MetricsSnapshot | undefined
  /** The thread was asked for its counters and has not answered. It is not asked again meanwhile. */
  #isAsked = false
  /** It has missed the deadline since it answered last, and the log says so. */
  #isLate = false
  #isEnding = false

  constructor(start: ThreadStart) {
    this.#start = start
    const { port1, port2 } = new MessageChannel()
    this.#storage = port1
    const cache = getCompileCacheDir()
    const options: ThreadOptions = {
      link: start.link,
      settings: start.settings,
      logLevel: start.config.logLevel,
      hasAccessLog: start.hooks.accessLog !== undefined,
      storage: port2,
      blocks: start.memory,
      sharedLimits: start.limits,
      // Node adds a directory for its version to the one that it is given.
      codeCache: cache === undefined ? undefined : dirname(cache),
    }
    this.#worker = new Worker(FILE, {
      name: `gateway ${start.link}`,
      workerData: options,
      transferList: [port2],
    })
    this.#worker.on('message', (message: ToCore) => this.#received(message))
    this.#worker.on('error', (error) => this.#gone(`failed: ${lineOf(error)}`))
    this.#worker.on('exit', (code) => this.#gone(`has ended by itself, with exit code ${code}`))
  }

  connect({ backend, iam, rights }: ServedPorts, inTurns: InTurns, blocks: SharedBlocks): void {
    const { link } = this.#start
    const port = this.#storage
    const served = { backend, rights, iam: { backend: iam, inTurns } }
    this.#core = new CoreLink({ ...served, blocks, link, port, afterTurn })
  }

  /** Rejects with the error of the system that the thread has met. */
  async listen(address: GatewayAddress, face: PortFace): Promise<BoundAddress> {
    return (await this.#ask(['LISTEN', address, face])) as BoundAddress
  }

  replaceCertificates(certificates: readonly TlsCertificate[]): void {
    this.#tell(['CERTIFICATES', certificates])
  }

  /** Resolves when no request of the thread is in flight any more. */
  async close(drainMs: number): Promise<void> {
    await this.#ask(['CLOSE', drainMs])
  }

  /**
   * Undefined when the thread has ended, or is about to, and when it has not answered yet since it was started. One that
   * does nothing for a while holds up no scrape for longer than the deadline.
   */
  async counts(): Promise<MetricsSnapshot | undefined> {
    if (this.#isEnding) return undefined
    const { promise, resolve } = Promise.withResolvers<MetricsSnapshot | undefined>()
    this.#counting.push(resolve)
    const cancel = this.#start.clock.after(COUNT_MS, () => this.#countsAreLate(resolve))
    if (!this.#isAsked) {
      this.#isAsked = true
      this.#tell(['COUNT'])
    }
    const counts = await promise
    cancel()
    return counts
  }

  #countsAreLate(answer: (counts: MetricsSnapshot | undefined) => void): void {
    this.#counting = this.#counting.filter((each) => each !== answer)
    answer(this.#counts)
    if (this.#isLate) return
    this.#isLate = true
    this.#start.hooks.logger.warn(
      { thread: this.#start.link },
      'a gateway thread does not answer: the metrics lack its latest counters',
    )
  }

  async end(): Promise<void> {
    this.#isEnding = true
    this.#counted(undefined)
    await this.#worker.terminate()
    this.#core?.close()
  }

  #ask(message: ToThread): Promise<BoundAddress | undefined> {
    this.#asked = Promise.withResolvers()
    this.#tell(message)
    return this.#asked.promise
  }

  #tell(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #counted(counts: MetricsSnapshot | undefined): void {
    const waiting = this.#counting
    this.#counting = []
    for (const resolve of waiting) resolve(counts)
  }

  #received(message: ToCore): void {
    const { hooks, clock } = this.#start
    switch (message[0]) {
      case 'LISTENING':
        return this.#asked?.resolve(message[1])
      case 'REFUSED':
        return this.#asked?.reject(Object.assign(new Error(message[1].message), message[1]))
      case 'CLOSED':
        return this.#asked?.resolve(undefined)
      case 'LINES':
        writeLines(message[1], hooks, () => clock.nowMs())
        return this.#tell(['TAKEN', message[2]])
      case 'COUNTS':
        this.#counts = message[1]
        this.#isAsked = false
        this.#isLate = false
        return this.#counted(message[1])
      case 'FAILED':
        this.#isEnding = true
        return hooks.failed(message[1], message[2])
    }
  }

  /** The thread is gone. Unless it was told to go, the process goes too. */
  #gone(why: string): void {
    if (this.#isEnding) return
    this.#isEnding = true
    const line = `gateway thread ${this.#start.link} ${why}`
    this.#asked?.reject(new Error(line))
    this.#start.hooks.failed(line)
  }
}

function lineOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.split('\n')[0] ?? ''
}
