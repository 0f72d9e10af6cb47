/**
 * `npm run e2e [-- --only NAME,NAME] [--nodes 1|3] [--https] [--step REGEXP] [--all]
 *   [--require-all] [--keep]`
 *
 * Real clients against real processes. First it checks the command contract, then it runs every suite of clients/
 * against one node, and against a cluster of three through different gateways; with --https over TLS. A client that is not installed is
 * named and skipped; with --require-all that is an error, except for clients whose language is not installed, or that need a
 * device that the machine does not have. Clients that take minutes to build are skipped too, until --all or --only builds them. With
 * --endpoint URL (and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) the suites run against a server that is already
 * there.
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reason, tail, which } from '../../bench/harness/process.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import type { Credentials } from '../../bench/harness/sign.ts'
import { awsCli } from './clients/aws-cli.ts'
import { browser } from './clients/browser.ts'
import { conformance } from './clients/conformance.ts'
import { registry } from './clients/registry.ts'
import { kopia } from './clients/kopia.ts'
import { litestream } from './clients/litestream.ts'
import { rcloneMount, s3fs } from './clients/mounts.ts'
import { mc } from './clients/mc.ts'
import { rclone } from './clients/rclone.ts'
import { restic } from './clients/restic.ts'
import { s3cmd } from './clients/s3cmd.ts'
import { s5cmd } from './clients/s5cmd.ts'
import { sdk } from './clients/sdk.ts'
import { checkContract } from './contract.ts'
import { go } from './foreign/go.ts'
import { java } from './foreign/java.ts'
import { javascript } from './foreign/javascript.ts'
import { python, tables } from './foreign/python.ts'
import { missingTool } from './foreign/suite.ts'
import { speakTls } from './https.ts'
import { Context } from './suite.ts'
import type { Suite } from './suite.ts'

const suites: readonly Suite[] = [
  conformance,
  sdk,
  awsCli,
  rclone,
  s3cmd,
  restic,
  rcloneMount,
  s3fs,
  browser,
  python,
  tables,
  javascript,
  go,
  java,
  s5cmd,
  mc,
  kopia,
  litestream,
  registry,
]

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    nodes: { type: 'string' },
    https: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    step: { type: 'string' },
    endpoint: { type: 'string', multiple: true },
    'require-all': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})

const only = values.only?.split(',')
const known = ['contract', ...suites.map((suite) => suite.name)]
const unknown = only?.filter((name) => !known.includes(name)) ?? []
if (unknown.length > 0)
  throw new Error(`unknown: ${unknown.join(', ')}; known: ${known.join(', ')}`)
const wanted = (name: string): boolean => only?.includes(name) ?? true

const scratch = mkdtempSync(join(tmpdir(), 'shoal-e2e-'))
process.on('exit', () => {
  if (!values.keep) rmSync(scratch, { recursive: true, force: true })
})

const env = values.https ? speakTls(scratch) : {}
const failures: string[] = []
let steps = 0

/** Why the suite can't run here, or should not without being asked for; undefined where it runs. */
async function obstacleOf({
  name,
  toolchain,
  device,
  prepared,
}: Suite): Promise<string | undefined> {
  const missing = await missingTool(toolchain ?? [])
  if (missing !== undefined) return `${missing} is not installed`
  if (device !== undefined && !existsSync(device)) return `this machine has no ${device}`
  const asked = values.all || only?.includes(name) === true
  if (!asked && prepared?.() === false) return 'it takes long to build; --all or --only builds it'
  return undefined
}

async function runSuites(
  title: string,
  endpoints: readonly string[],
  credentials: Credentials,
): Promise<void> {
  for (const suite of suites.filter((suite) => wanted(suite.name))) {
    if (suite.program !== undefined && (await which(suite.program)) === undefined) {
      console.log(`${title}, ${suite.name}: not installed`)
      if (values['require-all']) failures.push(`${suite.name}: not installed`)
      continue
    }
    if (values.https && suite.name === 'java') {
      console.log(`${title}, java: SKIPPED, it takes authorities from a store of its own`)
      continue
    }
    const obstacle = await obstacleOf(suite)
    if (obstacle !== undefined) {
      console.log(`${title}, ${suite.name}: SKIPPED, ${obstacle}`)
      continue
    }
    console.log(`${title}, ${suite.name}`)
    const directory = join(scratch, `${title}-${suite.name}`.replace(/\W+/g, '-'))
    mkdirSync(directory, { recursive: true })
    const step = values.step === undefined ? undefined : new RegExp(values.step)
    const context = new Context(endpoints, credentials, directory, step)
    try {
      await suite.run(context)
    } catch (error) {
      console.log(`  FAIL ${reason(error)}`)
      failures.push(`${title}, ${suite.name}: ${reason(error)}`)
    }
    steps += context.results.length
    for (const result of context.results) {
      if (result.failure !== undefined) failures.push(`${title}, ${suite.name}: ${result.title}`)
    }
    if (!values.keep) rmSync(directory, { recursive: true, force: true })
  }
}

async function runOnShoal(nodes: number): Promise<void> {
  const shoal = await Shoal.start({ nodes, env })
  try {
    await runSuites(nodes === 1 ? '1 node' : `${nodes} nodes`, shoal.endpoints, shoal.credentials)
    const code = await shoal.stop()
    if (code !== 0) failures.push(`${nodes} node(s): exit code ${code} after SIGTERM`)
  } finally {
    if (failures.length > 0) console.log(tail(shoal.output, 60))
    await shoal.close()
  }
}

async function main(): Promise<number> {
  if (values.endpoint !== undefined) {
    await runSuites('given endpoint', values.endpoint, {
      accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    })
  } else {
    if (wanted('contract')) {
      console.log('command contract')
      const context = new Context([], { accessKeyId: '', secretAccessKey: '' }, scratch)
      await checkContract(context)
      steps += context.results.length
      for (const result of context.results) {
        if (result.failure !== undefined) failures.push(`contract: ${result.title}`)
      }
    }
    const withClients = suites.some((suite) => wanted(suite.name))
    for (const nodes of values.nodes === undefined ? [1, 3] : [Number(values.nodes)]) {
      if (!withClients) continue
      try {
        await runOnShoal(nodes)
      } catch (error) {
        failures.push(`${nodes} node(s): ${reason(error)}`)
      }
    }
  }
  console.log(`\n${steps} steps, ${failures.length} failed`)
  for (const failure of failures) console.log(`! ${failure}`)
  return failures.length > 0 ? 1 : 0
}

process.exitCode = await main()
