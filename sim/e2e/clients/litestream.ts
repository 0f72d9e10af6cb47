/** Litestream: a SQLite file is replicated while rows are written, the replicator is killed, and files are restored. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Child, pauseMs, reason, runCommand, tail } from '../../../bench/harness/process.ts'
import { equal } from '../suite.ts'
import type { Context } from '../suite.ts'
import { builtClient } from './built.ts'

const bucket = 'litestream-bucket'
const BATCH = 200

function writeConfiguration(context: Context, database: string): string {
  const file = join(context.scratch, 'litestream.yml')
  const replica = {
    type: 's3',
    bucket,
    path: 'a database',
    endpoint: context.nextEndpoint(),
    region: 'us-east-1',
    'force-path-style': true,
    'sync-interval': '100ms',
  }
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify({ dbs: [{ path: database, replica }] }))
  return file
}

function insert(database: DatabaseSync, rows: number): void {
  const statement = database.prepare('INSERT INTO numbers (text) VALUES (?)')
  for (let i = 0; i < rows; i++) statement.run(`row ${i} `.repeat(20))
}

function countIn(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    equal(database.prepare('PRAGMA integrity_check').get(), { integrity_check: 'ok' }, 'integrity')
    return Number(database.prepare('SELECT count(*) AS rows FROM numbers').get()?.['rows'])
  } finally {
    database.close()
  }
}

async function steps(context: Context, path: string): Promise<void> {
  await context.makeBucket(bucket)
  const file = join(context.scratch, 'database.sqlite')
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000')
  // Otherwise SQLite begins its log anew while no replicator runs, and the next replicator may pass over the last rows until
  // more are written, with replicas in files too.
  database.exec('PRAGMA wal_autocheckpoint = 0')
  database.exec('CREATE TABLE numbers (id INTEGER PRIMARY KEY, text TEXT)')
  try {
    await databaseSteps(context, path, database, file)
  } finally {
    database.close()
  }
}

async function databaseSteps(
  context: Context,
  path: string,
  database: DatabaseSync,
  file: string,
): Promise<void> {
  // It refuses to start with a list of authorities of the AWS kind; it takes that of SSL_CERT_FILE.
  const env = { ...context.environment, AWS_CA_BUNDLE: '' }
  const configured = (): string[] => ['-config', writeConfiguration(context, file)]
  const replicate = (): Child => new Child(path, ['replicate', ...configured()], { env })
  let restored = 0
  /** Restores into a new file, until that has all rows: the replicator sends them a moment after they are written. */
  const restoreAll = async (rows: number): Promise<void> => {
    let found = -1
    for (let attempt = 0; attempt < 40 && found !== rows; attempt++) {
      if (attempt > 0) await pauseMs(500)
      const output = join(context.scratch, `restored-${restored++}.sqlite`)
      const args = ['restore', ...configured(), '-o', output, file]
      const { code } = await runCommand(path, args, { env, okCodes: [0, 1] })
      if (code === 0) found = countIn(output)
    }
    equal(found, rows, 'rows of the restored file')
  }

  await context.step('replicate while rows are written, restore', async () => {
    const replicator = replicate()
    try {
      for (let i = 0; i < 10; i++) {
        insert(database, BATCH)
        await pauseMs(150)
      }
      await restoreAll(10 * BATCH)
    } finally {
      equal(await replicator.stop(), 0, 'exit code')
    }
  })

  await context.step('the replicator is killed among writes; the next one goes on', async () => {
    const first = replicate()
    insert(database, BATCH)
    await pauseMs(400)
    insert(database, BATCH)
    await first.kill()
    insert(database, BATCH)
    const second = replicate()
    try {
      insert(database, BATCH)
      await restoreAll(14 * BATCH)
    } catch (error) {
      throw new Error(`${reason(error)}\n${tail(second.output, 20)}`, { cause: error })
    } finally {
      await second.stop()
    }
  })

  await context.step('the files of the replica are listed', async () => {
    const listed = await runCommand(path, ['ltx', ...configured(), file], { env })
    if (listed.stdout.trim().split('\n').length < 3) throw new Error(listed.stdout)
  })
}

export const litestream = builtClient(
  {
    name: 'litestream',
    module: 'github.com/benbjohnson/litestream',
    version: 'v0.5.18',
    folder: 'cmd/litestream',
  },
  steps,
)
