/** Chromium without a window, driven by its DevTools protocol over the WebSocket of Node. */

import { join } from 'node:path'
import { Child } from '../../../bench/harness/process.ts'

const START_TIMEOUT_MS = 30_000
const ANSWER_TIMEOUT_MS = 60_000

/** It opens only pages of the test itself, so it may run without its sandbox, which root and containers do not have. */
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
  '--no-proxy-server',
  '--remote-debugging-port=0',
]

/** An answer to a command, or an event. */
interface Message {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** The connection to one running browser. */
class DevTools {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(method: string) => void>()
  #lastId = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))))
    socket.addEventListener('close', () => this.#fail('Chromium closed the connection'))
  }

  static async connect(url: string): Promise<DevTools> {
    const socket = new WebSocket(url)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('error', () => reject(new Error(`no connection to ${url}`)))
    })
    return new DevTools(socket)
  }

  close(): void {
    this.#socket.close()
  }

  /** Calls `listener` for each event until the returned function is called. */
  listen(listener: (method: string) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Sends a command, to one page when it names a session, and returns its result. */
  send(method: string, params: object = {}, sessionId?: string): Promise<unknown> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const late = (): void => this.#settle(id, new Error(`${method}: no answer`))
      const timer = setTimeout(late, ANSWER_TIMEOUT_MS)
      this.#waiting.set(id, { resolve, reject, timer })
      this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    })
  }

  #take({ id, method, result, error }: Message): void {
    if (id !== undefined)
      this.#settle(id, error === undefined ? undefined : new Error(error.message), result)
    else if (method !== undefined) for (const listener of this.#listeners) listener(method)
  }

  #settle(id: number, error: Error | undefined, result?: unknown): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    clearTimeout(waiting?.timer)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(error)
  }

  #fail(why: string): void {
    for (const id of this.#waiting.keys()) this.#settle(id, new Error(why))
  }
}

/** One page. */
export class Tab {
  readonly #tools: DevTools
  readonly #session: string

  constructor(tools: DevTools, session: string) {
    this.#tools = tools
    this.#session = session
  }

  #send(method: string, params: object = {}): Promise<unknown> {
    return this.#tools.send(method, params, this.#session)
  }

  /** Opens a page and waits until it is loaded. */
  async open(url: string): Promise<void> {
    await this.untilLoaded(() => this.#send('Page.navigate', { url }))
  }

  /** Does what makes the browser load a page, and waits until that is loaded. */
  async untilLoaded(work: () => Promise<unknown>): Promise<void> {
    await this.#send('Page.enable')
    let stop = (): void => {}
    let timer: NodeJS.Timeout | undefined
    const loaded = new Promise<void>((resolve, reject) => {
      stop = this.#tools.listen((method) => method === 'Page.loadEventFired' && resolve())
      timer = setTimeout(() => reject(new Error('no page was loaded')), ANSWER_TIMEOUT_MS)
    })
    try {
      await Promise.all([loaded, work()])
    } finally {
      stop()
      clearTimeout(timer)
    }
  }

  /** Calls a function of the page with values that JSON can carry, and returns what it returns or resolves to. */
  async call<T>(name: string, ...values: readonly unknown[]): Promise<T> {
    const list = values.map((value) => JSON.stringify(value)).join(', ')
    return this.evaluate<T>(`${name}(${list})`)
  }

  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = (await this.#send('Runtime.evaluate', params)) as {
      result: { value: T }
      exceptionDetails?: { exception?: { description?: string } }
    }
    if (exceptionDetails === undefined) return result.value
    throw new Error(`in the page: ${exceptionDetails.exception?.description ?? expression}`)
  }

  /** Chooses files in an input of the page, as a person would. */
  async chooseFiles(selector: string, files: readonly string[]): Promise<void> {
    const { root } = (await this.#send('DOM.getDocument')) as { root: { nodeId: number } }
    const query = { nodeId: root.nodeId, selector }
    const { nodeId } = (await this.#send('DOM.querySelector', query)) as { nodeId: number }
    await this.#send('DOM.setFileInputFiles', { nodeId, files })
  }
}

/** A running browser with one page. Call `close` in the end. */
export class Chromium {
  readonly #child: Child
  readonly #tools: DevTools
  readonly tab: Tab

  private constructor(child: Child, tools: DevTools, tab: Tab) {
    this.#child = child
    this.#tools = tools
    this.tab = tab
  }

  /**
   * `scratch`: a folder for the profile, which is new. With `anyCertificate` it takes those that no authority of its own
   * list has signed, as those of tests.
   */
  static async start(scratch: string, anyCertificate: boolean): Promise<Chromium> {
    const profile = join(scratch, 'profile')
    const trust = anyCertificate ? ['--ignore-certificate-errors'] : []
    const flags = [...FLAGS, ...trust, `--user-data-dir=${profile}`]
    const child = new Child('chromium', [...flags, 'about:blank'], { env: { HOME: scratch } })
    try {
      const listening = /DevTools listening on (ws:\/\/\S+)/
      const find = (output: string): string | undefined => listening.exec(output)?.[1]
      const url = await child.waitFor('the address of its DevTools', find, START_TIMEOUT_MS)
      const tools = await DevTools.connect(url)
      const { targetId } = (await tools.send('Target.createTarget', { url: 'about:blank' })) as {
        targetId: string
      }
      const attach = { targetId, flatten: true }
      const { sessionId } = (await tools.send('Target.attachToTarget', attach)) as {
        sessionId: string
      }
      return new Chromium(child, tools, new Tab(tools, sessionId))
    } catch (error) {
      await child.kill()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#tools.close()
    await this.#child.stop(5_000)
  }
}
