/** Sub-commands that go to the query API on the S3 port, signed like any other request (account.ts, kms.ts). */

import type { Command } from 'commander'
import type { Clock } from '../env/ports.ts'
import {
  QueryClient,
  s3Url,
  signerOf,
  type ClientEnvironment,
  type QueryOptions,
} from './query-client.ts'

/** The options that every sub-command has. */
export interface QueryCommandOptions extends QueryOptions {
  readonly json?: true
}

export interface QueryCommands {
  /** Adds a sub-command with the options that all of them have. */
  readonly command: (name: string, description: string) => Command
  readonly client: (options: QueryCommandOptions) => QueryClient
}

/** `environment` is where the credentials are looked for. */
export function queryCommands(
  parent: Command,
  clock: Clock,
  environment: ClientEnvironment,
): QueryCommands {
  return {
    command: (name, description) =>
      parent
        .command(name)
        .description(description)
        .option('--data <dir>', 'the node of this data directory (default: ./shoal-data)')
        .option('--s3 <url>', 'the node with this S3 address')
        .option('--json', 'print JSON'),
    client: (options) => new QueryClient(s3Url(options), signerOf(options, environment), clock),
  }
}
