/** What the command line gives to a node and gets from it. start/start.ts implements it. */

import type { Config } from './config.ts'
import type { Logger } from '../env/ports.ts'

/** Work of a start that may take long: recovery of the log, a rebuild of the index, joining a cluster. */
export interface StartProgress {
  /** For people, for example 'reading the log'. */
  readonly task: string
  readonly done: number
  /** Undefined when it is not known. */
  readonly total?: number | undefined
}

export interface NodeHooks {
  readonly logger: Logger
  /** Takes lines of the access log. Without it there is no access log. */
  readonly accessLog?: ((line: string) => void) | undefined
  /**
   * Ends the process, because the node must not go on: its disk has failed (D5), or an assertion. `reason` is one line.
   * `exitCode` is 1 unless given.
   */
  failed(reason: string, exitCode?: number): void
  progress?(progress: StartProgress): void
  /** Takes one line that the operator must see at any log level. */
  notice?(line: string): void
}

export interface RunningNode {
  readonly s3Url: string
  /** Undefined when websites are not served. */
  readonly websiteUrl?: string | undefined
  readonly adminUrl: string
  readonly nodeId: string
  /** Root credentials, on the founder only. `fresh`: this is the first start that serves. */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly fresh: boolean }
    | undefined
  /** Resolves when a majority of the members is up. Before that, requests get 503. */
  readonly ready: Promise<void>
  /** Reads again what may change while the node runs: the certificates of all ports, the keys of OIDC issuers. */
  readonly reload?: (() => void) | undefined
  /** Finishes requests in flight for at most `shutdownTimeout`, then frees ports and lock. */
  stop(): Promise<void>
}

export interface StartChoices {
  /** Begin a new log, because the old one is gone for good (D2). */
  readonly acceptLostLog?: boolean | undefined
  /** At the first start: join in the place of this node, given by its name or the end of its id. */
  readonly replace?: string | undefined
}

/** Resolves when the node serves. Rejects with UsageError or an operating system's error. */
export type StartNode = (
  config: Config,
  hooks: NodeHooks,
  choices: StartChoices,
) => Promise<RunningNode>
