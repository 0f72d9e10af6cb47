/**
 * `shoal kms`: keys of the cluster that encrypt objects (SSE-KMS). The commands go to the query API on the S3 port, signed like
 * any other request: what they may do is decided by policies.
 */

import type { Command } from 'commander'
import type { XmlElement } from '../../gateway/http/xml.ts'
import type { Clock } from '../env/ports.ts'
import { childNamed, elementText, type ClientEnvironment } from './query-client.ts'
import { queryCommands, type QueryCommandOptions } from './query-commands.ts'
import { textTable } from './table.ts'
import type { Terminal } from './terminal.ts'

/** A key as the commands print it, with --json too. */
interface Key {
  readonly name: string
  /** ISO 8601. */
  readonly created: string
  readonly enabled: boolean
  /** How often it was rotated, and one. */
  readonly versions: number
}

/** The sub-commands that name one key: the action of each, and what it says when it is done. */
const CHANGES = [
  ['create', 'CreateEncryptionKey', 'make a key of your account', 'is there'],
  [
    'rotate',
    'RotateEncryptionKey',
    'encrypt with a new version; old data stays readable',
    'has a new version',
  ],
  ['disable', 'DisableEncryptionKey', 'neither encrypt nor decrypt with it', 'is disabled'],
  ['enable', 'EnableEncryptionKey', 'use it again', 'is enabled'],
] as const

/** Adds the command and its sub-commands. `environment` is where the credentials are looked for. */
export function addKmsCommand(
  program: Command,
  terminal: Terminal,
  clock: Clock,
  environment: ClientEnvironment,
): void {
  const kms = program
    .command('kms')
    .description('create, list, rotate or disable keys that encrypt objects')
  const { command, client } = queryCommands(kms, clock, environment)

  for (const [name, action, description, done] of CHANGES) {
    command(name, description)
      .argument('<name>', 'letters, digits, - and _')
      .action(async (key: string, options: QueryCommandOptions) => {
        await client(options).run(action, { KeyName: key })
        terminal.out(options.json === true ? JSON.stringify({ name: key }) : `key ${key} ${done}`)
      })
  }

  command('list', 'list the keys of your account').action(async (options: QueryCommandOptions) => {
    const result = await client(options).run('ListEncryptionKeys', {})
    const keys = (childNamed(result, 'EncryptionKeys')?.children ?? []).map(keyOf)
    if (options.json === true) terminal.out(JSON.stringify(keys))
    else for (const line of keyLines(keys)) terminal.out(line)
  })
}

function keyOf(element: XmlElement): Key {
  return {
    name: elementText(element, 'KeyName'),
    created: elementText(element, 'CreateDate'),
    enabled: elementText(element, 'Enabled') === 'true',
    versions: Number(elementText(element, 'Versions')),
  }
}

function keyLines(keys: readonly Key[]): string[] {
  return textTable(
    [
      { title: 'KEY' },
      { title: 'STATE' },
      { title: 'VERSIONS', align: 'right' },
      { title: 'CREATED' },
    ],
    keys.map(({ name, enabled, versions, created }) => [
      name,
      enabled ? 'enabled' : 'disabled',
      String(versions),
      created,
    ]),
  )
}
