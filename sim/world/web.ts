/** The world outside of a simulated cluster: hosts that nodes send requests to, with the delays of a seed. */

import { utf8Text } from '../../protocol/bytes.ts'
import type { NotificationSettings } from '../../node/notifications/notifications.ts'
import type { Clock, Outgoing, OutgoingRequest } from '../../node/env/ports.ts'

const DELAY_MS_MAX = 20

/** What a host does with a request: a status, or nothing at all. */
export type WebHost = (body: string, request: OutgoingRequest) => number | 'silent'

/** Draws from random numbers of its own, so that runs without webhooks stay as they were. */
export class SimulatedWeb {
  /** By name. Others do not exist. */
  readonly hosts = new Map<string, WebHost>()
  /** Addresses of names that have others than ADDRESS. */
  readonly addresses = new Map<string, readonly string[]>()
  /** What nodes that start from now on are configured with. */
  settings: NotificationSettings = {
    webhooks: [{ name: 'hook', url: 'https://hook.example/events', secret: 'secret', allow: [] }],
  }
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** The port of one process. It loses what is under way when that dies: then neither timers nor answers come. */
  portOf(clock: Clock): Outgoing {
    const after = <T>(outcome: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        clock.after(this.#random() * DELAY_MS_MAX, () => {
          try {
            resolve(outcome())
          } catch (error) {
            reject(error as Error)
          }
        })
      })
    const host = (request: OutgoingRequest): number | 'silent' => {
      const answer = this.hosts.get(new URL(request.url).hostname)
      if (answer === undefined) throw new Error('connection refused')
      return answer(utf8Text(request.body), request)
    }
    return {
      resolve: (host) =>
        after(() => {
          if (!this.hosts.has(host)) throw new Error(`${host} does not exist`)
          return this.addresses.get(host) ?? [ADDRESS]
        }),
      async post(request, { timeoutMs }) {
        const status = await after(() => host(request))
        if (status !== 'silent') return after(() => ({ status }))
        return new Promise((_, reject) => {
          clock.after(timeoutMs, () => reject(new Error('no answer')))
        })
      },
      close() {},
    }
  }
}

const ADDRESS = '8.8.8.8'
