/** The commands and the files that README.md and docs/operations.md promise, from outside, by `npm start` itself. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Child, untilTrue } from '../../bench/harness/process.ts'
import { freeBasePort } from '../../node/testing/free-ports.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { checkout, credentialsOf, readyNodesOf, Shoal } from '../../bench/harness/shoal.ts'
import { sumOf } from '../../bench/harness/metrics.ts'
import { replicaIds } from '../../bench/rounds.ts'
import { equal } from './suite.ts'
import type { Context } from './suite.ts'

const metricNames = [
  'shoal_s3_requests_total',
  'shoal_s3_request_seconds_bucket',
  'shoal_rounds_total',
  'shoal_log_flushes_total',
  'shoal_log_bytes_total',
  'shoal_resync_pending',
  'shoal_epoch',
]

export async function checkContract(context: Context): Promise<void> {
  await context.step('npm start: ready line, files, health, metrics, SIGTERM', () =>
    startsByNpm(context),
  )
  await context.step('cluster: kill -9 of one, service goes on, shoal start brings it back', () =>
    outlivesKill(),
  )
  await context.step('cluster: status, locate, layout as JSON; stop and start again', () =>
    showsItself(),
  )
  await context.step('cluster: a directory that is gone is named, and the others start', () =>
    namesLostDirectory(context),
  )
}

async function startsByNpm({ scratch }: Context): Promise<void> {
  const data = join(mkdtempSync(join(scratch, 'contract-')), 'data')
  const base = await freeBasePort(1)
  const at = (offset: number): string => `127.0.0.1:${base + offset}`
  const args = ['start', '--data', data, '--s3', at(0), '--admin', at(1), '--listen'].concat(
    `/ip4/127.0.0.1/tcp/${base + 2}`,
  )
  const secrets = {
    SHOAL_ROOT_ACCESS_KEY: 'ROOT_ACCESS',
    SHOAL_ROOT_SECRET_KEY: 'root-secret-key',
  }
  const npm = new Child('npm', ['start', '--silent', '--', ...args], {
    cwd: checkout,
    env: secrets,
  })
  try {
    const [ready] = await npm.waitFor(
      'a ready line',
      (output) => (readyNodesOf(output).length > 0 ? readyNodesOf(output) : undefined),
      60_000,
    )
    equal(ready?.s3, `http://${at(0)}`, 's3')
    equal(new URL(ready?.admin ?? '').host, at(1), 'admin')
    for (const name of ['node.json', 'lock', 'credentials.json', 'shoal.pid', 'log', 'index']) {
      if (!existsSync(join(data, name))) throw new Error(`${name} is missing in the directory`)
    }
    equal(statSync(join(data, 'credentials.json')).mode & 0o777, 0o600, 'mode')
    equal(credentialsOf(data).accessKeyId, 'ROOT_ACCESS', 'given root credentials')
    const pid = Number(readFileSync(join(data, 'shoal.pid'), 'utf8'))
    if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('start.js')) {
      throw new Error('shoal.pid does not name the Node process')
    }
    for (const path of ['/health/live', '/health/ready']) {
      equal((await fetch(`http://${at(1)}${path}`)).status, 200, path)
    }
    const client = new RawClient(`http://${at(0)}`, credentialsOf(data))
    await client.must({ method: 'PUT', bucket: 'contract' })
    await client.must({ method: 'PUT', bucket: 'contract', key: 'k', body: Buffer.from('v') })
    await client.must({ method: 'GET', bucket: 'contract', key: 'k' })
    client.close()
    const metrics = await (await fetch(`http://${at(1)}/metrics`)).text()
    for (const name of metricNames) {
      if (!new RegExp(`^${name}[{ ]`, 'm').test(metrics)) throw new Error(`no metric ${name}`)
    }
    const secret = credentialsOf(data).secretAccessKey
    if (npm.output.split(secret).length > 2) throw new Error('the secret is printed repeatedly')
    equal(await npm.stop(), 0, 'exit code after SIGTERM')
  } finally {
    await npm.kill()
  }
}

async function outlivesKill(): Promise<void> {
  const shoal = await Shoal.start({ nodes: 3 })
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    equal(
      shoal.endpoints.map((url) => Number(new URL(url).port) - shoal.basePort),
      [0, 10, 20],
      'ports',
    )
    await clients[0]?.must({ method: 'PUT', bucket: 'contract' })
    await shoal.killNode(1)
    for (const [index, client] of clients.entries()) {
      if (index === 1) continue
      const key = `while-down-${index}`
      await untilTrue(
        'a PUT with two of three',
        async () => {
          const reply = await client.send({ method: 'PUT', bucket: 'contract', key })
          return reply.status === 200 ? true : undefined
        },
        15_000,
      )
    }
    await shoal.startNode(1)
    await untilTrue(
      'a GET through the node that came back',
      async () => {
        const reply = await clients[1]?.send({
          method: 'GET',
          bucket: 'contract',
          key: 'while-down-0',
        })
        return reply?.status === 200 ? true : undefined
      },
      30_000,
    )
    await shoal.json(1, ['status'])
    for (const client of clients) client.close()
  } finally {
    await shoal.close()
  }
}

async function showsItself(): Promise<void> {
  const shoal = await Shoal.start({ nodes: 3 })
  try {
    const ids = shoal.ready.map((ready) => ready.node)
    const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    await client.must({ method: 'PUT', bucket: 'contract' })
    await client.must({ method: 'PUT', bucket: 'contract', key: 'k', body: Buffer.from('v') })
    const located = replicaIds(await shoal.json(2, ['locate', 's3://contract/k']))
    equal([...located].sort(), [...ids].sort(), 'replicas of three in a cluster of three')
    const status = JSON.stringify(await shoal.json(1, ['status']))
    for (const id of ids) if (!status.includes(id)) throw new Error(`status without ${id}`)
    const layout = JSON.stringify(await shoal.json(0, ['layout', 'show']))
    for (const id of ids) if (!layout.includes(id)) throw new Error(`layout without ${id}`)
    const epoch = sumOf(await shoal.metrics(0), 'shoal_epoch')
    client.close()
    equal(await shoal.stop(), 0, 'exit code')
    await shoal.up()
    equal(
      shoal.ready.map((ready) => ready.node),
      ids,
      'the same nodes',
    )
    equal(sumOf(await shoal.metrics(0), 'shoal_epoch'), epoch, 'the same epoch')
    const again = new RawClient(shoal.endpoints[1] ?? '', shoal.credentials)
    const reply = await again.must({ method: 'GET', bucket: 'contract', key: 'k' })
    equal(reply.body.toString(), 'v', 'bytes after the restart')
    again.close()
  } finally {
    await shoal.close()
  }
}

async function namesLostDirectory({ scratch }: Context): Promise<void> {
  const data = mkdtempSync(join(scratch, 'lost-'))
  const base = await freeBasePort(3)
  const args = ['cluster', '--data', data, '--base-port', String(base)]
  const up = async (count: number): Promise<Child> => {
    const child = new Child('npm', ['start', '--silent', '--', ...args], { cwd: checkout })
    await child.waitFor(
      `${count} ready lines`,
      (output) => readyNodesOf(output).length === count || undefined,
      90_000,
    )
    return child
  }
  const first = await up(3)
  let second: Child | undefined
  try {
    const client = new RawClient(`http://127.0.0.1:${base}`, credentialsOf(join(data, 'node-0')))
    await client.must({ method: 'PUT', bucket: 'lost' })
    await client.must({ method: 'PUT', bucket: 'lost', key: 'k', body: Buffer.from('v') })
    equal(await first.stop(), 0, 'exit code')
    rmSync(join(data, 'node-1'), { recursive: true })
    second = await up(2)
    if (!second.output.includes('node-1 is lost')) throw new Error('the lost node is not named')
    if (second.output.includes('founded a NEW')) throw new Error('a cluster was founded')
    if (existsSync(join(data, 'node-1'))) throw new Error('a node was begun in its place')
    await client.must({ method: 'GET', bucket: 'lost', key: 'k' })
    await client.must({ method: 'PUT', bucket: 'lost', key: 'k', body: Buffer.from('w') })
    client.close()
    equal(await second.stop(), 0, 'exit code')
  } finally {
    await first.kill()
    await second?.kill()
  }
}
