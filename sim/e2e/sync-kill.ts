/**
 * `node sim/e2e/sync-kill.ts [--files 5000]`
 *
 * `aws s3 sync` of a tree of thousands of files through node 0 of three, while node 1 is killed with -9 in
 * the middle: sync exits 0, `rclone check --download` through node 2 finds no difference, and once node 1 is
 * started again the cluster becomes whole by itself.
 */

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { sumOf } from '../../bench/harness/metrics.ts'
import { runCommand, untilTrue } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { checkout, Shoal } from '../../bench/harness/shoal.ts'
import { awsEnvironment } from './clients/aws-cli.ts'
import { rcloneEnvironment } from './clients/rclone.ts'
import { listAll } from './list-all.ts'
import { Context } from './suite.ts'
import { waitUntilWhole } from './whole.ts'

const { values } = parseArgs({ options: { files: { type: 'string', default: '5000' } } })
const wanted = Number(values.files)
const bucket = 'sync-kill'

/** A real tree: the first files of node_modules, without the few that are very large. */
function copyTree(target: string): number {
  const source = join(checkout, 'node_modules')
  let count = 0
  let bytes = 0
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (count === wanted) break
    if (!entry.isFile()) continue
    const from = join(entry.parentPath, entry.name)
    const { size } = statSync(from)
    if (size > 4 << 20) continue
    const to = join(target, relative(source, from))
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, to)
    count++
    bytes += size
  }
  console.log(`${count} files, ${(bytes / (1 << 20)).toFixed(1)} MiB`)
  if (count < wanted) throw new Error(`node_modules has ${count} files only`)
  return count
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-sync-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const tree = join(scratch, 'tree')
  const count = copyTree(tree)
  const shoal = await Shoal.start({ nodes: 3 })
  try {
    const context = new Context(shoal.endpoints, shoal.credentials, scratch)
    await context.makeBucket(bucket)
    const endpoint = ['--endpoint-url', context.endpoint(0)]
    const start = performance.now()
    const sync = runCommand(
      'aws',
      [...endpoint, 's3', 'sync', '--only-show-errors', tree, `s3://${bucket}/tree`],
      { env: awsEnvironment(context), timeoutMs: 1_200_000 },
    )
    const killed = untilTrue(
      'a third of the files',
      async () => {
        const labels = { operation: 'PutObject' }
        const puts = sumOf(await shoal.metrics(0), 'shoal_s3_requests_total', labels)
        return puts > count / 3 ? puts : undefined
      },
      600_000,
    ).then(async (puts) => {
      await shoal.killNode(1)
      console.log(`node 1 killed after ${puts} PUTs`)
    })
    await Promise.all([sync, killed])
    console.log(`sync exited 0 after ${((performance.now() - start) / 1000).toFixed(1)} s`)

    const rclone = async (index: number): Promise<void> => {
      const env = rcloneEnvironment(context, context.endpoint(index))
      const args = ['check', '--download', '--checkers', '8', tree, `shoal:${bucket}/tree`]
      await runCommand('rclone', args, { env, timeoutMs: 600_000 })
      console.log(`rclone check --download through node ${index}: no difference`)
    }
    await rclone(2)
    await shoal.startNode(1)
    const back = performance.now()
    await waitUntilWhole(shoal, 600_000)
    console.log(`whole ${((performance.now() - back) / 1000).toFixed(1)} s after node 1 was back`)
    await rclone(1)
    const client = new RawClient(context.endpoint(1), shoal.credentials)
    const listed = await listAll(client, bucket)
    client.close()
    if (listed.size !== count) throw new Error(`${listed.size} keys listed instead of ${count}`)
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
