/**
 * One end of the channel between a gateway thread and the core. All messages of one turn of the event loop leave together:
 * posting is what costs, and one array of many messages costs little more than one message.
 */

import type { MessagePort } from 'node:worker_threads'
import type { Message } from './messages.ts'

export interface MailboxOptions {
  readonly port: MessagePort
  /** Runs `run` once, when the present turn of the event loop has handled what was ready. A `setImmediate`. */
  readonly afterTurn: (run: () => void) => void
  /** Takes one message after the other, in the order in which the other end has posted them. */
  readonly received: (message: Message) => void
  /** This message cannot be copied. That is a fault of the program, and must not take other requests with it. */
  readonly unsendable: (message: Message, error: unknown) => void
  /** The other end is gone. Called at most once, and not after `close`. */
  readonly ended: () => void
}

export class Mailbox {
  readonly #options: MailboxOptions
  #waiting: Message[] = []
  #isClosed = false

  constructor(options: MailboxOptions) {
    this.#options = options
    const { port, received } = options
    port.on('message', (messages: readonly Message[]) => {
      for (const message of messages) if (!this.#isClosed) received(message)
    })
    port.on('close', () => this.#end())
  }

  post(message: Message): void {
    if (this.#isClosed) return
    if (this.#waiting.push(message) === 1) this.#options.afterTurn(() => this.#send())
  }

  /** Neither sends nor receives any more. What was posted in this turn is lost. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.port.close()
  }

  #send(): void {
    if (this.#isClosed) return
    const messages = this.#waiting
    this.#waiting = []
    try {
      this.#options.port.postMessage(messages)
    } catch {
      this.#sendEach(messages)
    }
  }

  #sendEach(messages: readonly Message[]): void {
    const { port, unsendable } = this.#options
    for (const message of messages) {
      try {
        port.postMessage([message])
      } catch (error) {
        unsendable(message, error)
      }
    }
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.ended()
  }
}
