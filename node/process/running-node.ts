/** What the command line needs of an assembled node (node/start/start.ts makes it). */

import type { Config } from './config.ts'
import type { Logger } from '../env/ports.ts'

/** Work at start that may take long: recovery of the log, a rebuild of the index, joining. */
export interface StartProgress {
  /** Words for people: 'replaying the log'. */
  readonly task: string
  readonly done: number
  /** Undefined when nobody knows. */
  readonly total?: number | undefined
}

export interface NodeHooks {
  readonly logger: Logger
  /** Takes lines of the access log. Absent: there is none. */
  readonly accessLog?: ((line: string) => void) | undefined
  /** The node must not go on (D5): one line that says why. The process ends. */
  failed(reason: string): void
  progress?(progress: StartProgress): void
  /** One line that its operator must see, whatever the log level. */
  notice?(line: string): void
}

export interface RunningNode {
  readonly s3Url: string
  readonly adminUrl: string
  readonly nodeId: string
  /** Root credentials: on the founder only. `fresh`: drawn by this start. */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly fresh: boolean }
    | undefined
  /** Resolves when health says so too: a majority is up. Requests are served before, and get 503. */
  readonly ready: Promise<void>
  /** Finishes requests in flight, at most `shutdownTimeout` long, and frees ports and lock. */
  stop(): Promise<void>
}

export interface StartChoices {
  /** The log is gone for good: begin a new one (D2). */
  readonly acceptLostLog?: boolean | undefined
  /** At the first start: join in the place of this node, a name or the end of an id. A member does not need it. */
  readonly replace?: string | undefined
}

/** Resolves when the node serves. Rejects with UsageError or an operating system's error. */
export type StartNode = (
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
) => Promise<RunningNode>
