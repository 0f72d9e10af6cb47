/**
 * `shoal account`: the accounts of the cluster, for administrators of its first account.
 *
 * These commands go to the query API on the S3 port, signed like any other request, and not to the
 * admin port: what they may do is decided by policies.
 */

import type { Command } from 'commander'
import type { XmlElement } from '../../gateway/http/xml.ts'
import type { Clock } from '../env/ports.ts'
import { UsageError } from '../tools/usage-error.ts'
import { childNamed, elementText, QueryClient, type ClientEnvironment } from './query-client.ts'
import { queryCommands, type QueryCommandOptions } from './query-commands.ts'
import { textTable } from './table.ts'
import { printable, type Terminal } from './terminal.ts'

/** An account as the commands print it, with --json too. */
interface Account {
  readonly id: string
  readonly name: string
  /** ISO 8601. Empty for the first account, whose creation is not recorded. */
  readonly created: string
  /** How many buckets it has now. */
  readonly buckets: number
  /** How many it may have. */
  readonly bucketsMax: number
}

/** Adds the command and its sub-commands. `environment` is where the credentials are looked for. */
export function addAccountCommand(
  program: Command,
  terminal: Terminal,
  clock: Clock,
  environment: ClientEnvironment,
): void {
  const account = program
    .command('account')
    .description('create, list, limit or delete accounts of the cluster')
  const { command, client } = queryCommands(account, clock, environment)

  command('create', 'create an account; its root key is shown only once')
    .argument('<name>')
    .option('--buckets <count>', "number of buckets it may have (default: the cluster's limit)")
    .action(async (name: string, options: QueryCommandOptions & { buckets?: string }) => {
      const parameters = {
        Name: name,
        ...(options.buckets === undefined ? {} : { BucketsMax: countOf(options.buckets) }),
      }
      const result = await client(options).run('CreateAccount', parameters)
      const made = accountOf(childNamed(result, 'Account') ?? result)
      const key = childNamed(result, 'AccessKey') ?? result
      const accessKeyId = elementText(key, 'AccessKeyId')
      const secretAccessKey = elementText(key, 'SecretAccessKey')
      if (options.json === true) {
        terminal.out(JSON.stringify({ ...made, accessKeyId, secretAccessKey }))
        return
      }
      terminal.out(`account ${made.id} ${printable(made.name)}`)
      terminal.out(`credentials accessKeyId=${accessKeyId} secretAccessKey=${secretAccessKey}`)
      terminal.out('the secret key is not shown again')
    })

  command('list', 'list all accounts').action(async (options: QueryCommandOptions) => {
    const accounts = await listAccounts(client(options))
    if (options.json === true) terminal.out(JSON.stringify(accounts))
    else for (const line of accountLines(accounts)) terminal.out(line)
  })

  command('limit', 'set how many buckets an account may have')
    .argument('<id>', 'twelve digits')
    .argument('<count>', "a number, or 'default' for the cluster's limit")
    .action(async (id: string, count: string, options: QueryCommandOptions) => {
      const parameters = { AccountId: id, BucketsMax: countOf(count) }
      const result = await client(options).run('UpdateAccount', parameters)
      const changed = accountOf(childNamed(result, 'Account') ?? result)
      if (options.json === true) terminal.out(JSON.stringify(changed))
      else terminal.out(`account ${changed.id} may have ${changed.bucketsMax} buckets`)
    })

  command('delete', 'delete an account that holds nothing any more')
    .argument('<id>', 'twelve digits')
    .action(async (id: string, options: QueryCommandOptions) => {
      await client(options).run('DeleteAccount', { AccountId: id })
      terminal.out(options.json === true ? JSON.stringify({ id }) : `account ${id} is deleted`)
    })
}

/** Asks for page after page until the last one. */
async function listAccounts(client: QueryClient): Promise<Account[]> {
  const accounts: Account[] = []
  let marker = ''
  do {
    const page = await client.run('ListAccounts', marker === '' ? {} : { Marker: marker })
    accounts.push(...(childNamed(page, 'Accounts')?.children ?? []).map(accountOf))
    marker = elementText(page, 'Marker')
  } while (marker !== '')
  return accounts
}

function accountOf(element: XmlElement): Account {
  return {
    id: elementText(element, 'AccountId'),
    name: elementText(element, 'Name'),
    created: elementText(element, 'CreateDate'),
    buckets: Number(elementText(element, 'BucketCount')),
    bucketsMax: Number(elementText(element, 'BucketsMax')),
  }
}

function accountLines(accounts: readonly Account[]): string[] {
  return textTable(
    [
      { title: 'ACCOUNT' },
      { title: 'BUCKETS', align: 'right' },
      { title: 'LIMIT', align: 'right' },
      { title: 'CREATED' },
      { title: 'NAME' },
    ],
    accounts.map(({ id, name, created, buckets, bucketsMax }) => [
      id,
      String(buckets),
      String(bucketsMax),
      created,
      name,
    ]),
  )
}

/**
 * The value of BucketsMax for a word of the command line. '0' means the cluster's limit. Throws
 * UsageError.
 */
function countOf(text: string): string {
  if (text === 'default') return '0'
  if (/^[1-9]\d{0,5}$/.test(text)) return text
  throw new UsageError(`'${text.slice(0, 40)}' is not a number of buckets`)
}
