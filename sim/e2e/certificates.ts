/**
 * `node sim/e2e/certificates.ts [--times 20] [--clients 16] [--threads 2]`
 *
 * The certificate of the S3 port is replaced again and again while clients write and read, on connections that are
 * kept and on new ones. No request may fail, and each new certificate must be used.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { parseArgs } from 'node:util'
import { reason, untilTrue } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { Shoal } from '../../bench/harness/shoal.ts'
import { ONE, TWO } from '../../gateway/testing/test-certificates.ts'
import { seededBytes } from './files.ts'
import { tlsSettings, trustAuthorities } from './https.ts'

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    clients: { type: 'string', default: '16' },
    threads: { type: 'string', default: '2' },
  },
})
const BUCKET = 'certificates'
/** Longer than a few TLS records, so that a replacement meets bodies under way. */
const BODY = seededBytes(7, 1 << 20)

/** The name in the certificate that a new connection gets. */
function servedName(endpoint: string): Promise<string> {
  const { hostname, port } = new URL(endpoint)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 5_000 })
    socket.once('error', reject).once('timeout', () => socket.destroy(new Error('no handshake')))
    socket.once('secureConnect', () => {
      const { CN } = socket.getPeerCertificate().subject
      resolve(String(CN))
      socket.destroy()
    })
  })
}

interface Tally {
  done: number
  readonly failed: string[]
}

/** Writes and reads until told to stop. Every fourth request has a connection of its own. */
async function load(
  shoal: Shoal,
  client: number,
  tally: Tally,
  going: () => boolean,
): Promise<void> {
  const [endpoint = ''] = shoal.endpoints
  const kept = new RawClient(endpoint, shoal.credentials)
  for (let turn = 0; going(); turn++) {
    const own = turn % 4 === 3 ? new RawClient(endpoint, shoal.credentials) : undefined
    const via = own ?? kept
    const key = `${client}-${turn % 3}`
    try {
      await via.must({ method: 'PUT', bucket: BUCKET, key, body: BODY })
      const { body } = await via.must({ method: 'GET', bucket: BUCKET, key })
      if (!body.equals(BODY)) throw new Error(`${key}: other bytes`)
      tally.done += 2
    } catch (error) {
      tally.failed.push(reason(error))
    }
    own?.close()
  }
  kept.close()
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'shoal-certificates-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  trustAuthorities(scratch, ONE.chain, TWO.chain)
  const env = { ...tlsSettings(scratch, ONE), SHOAL_GATEWAY_THREADS: values.threads }
  const shoal = await Shoal.start({ nodes: 1, env })
  try {
    const [endpoint = ''] = shoal.endpoints
    const maker = new RawClient(endpoint, shoal.credentials)
    await maker.must({ method: 'PUT', bucket: BUCKET })
    maker.close()
    const tally: Tally = { done: 0, failed: [] }
    let going = true
    const clients = Array.from({ length: Number(values.clients) }, (_, client) =>
      load(shoal, client, tally, () => going),
    )
    const times = Number(values.times)
    for (let time = 0; time < times; time++) {
      const before = tally.done
      const [certificate, name] =
        time % 2 === 0 ? ([TWO, 'two.example'] as const) : ([ONE, 'one.example'] as const)
      tlsSettings(scratch, certificate)
      process.kill(shoal.pid(0), 'SIGHUP')
      const served = async (): Promise<true | undefined> =>
        (await servedName(endpoint)) === name ? true : undefined
      await untilTrue(`the certificate of ${name}`, served, 20_000)
      // Requests go on after each replacement.
      await untilTrue('requests', async () => (tally.done > before + 8 ? true : undefined), 20_000)
    }
    going = false
    await Promise.all(clients)
    console.log(`${times} replacements, ${tally.done} requests, ${tally.failed.length} failed`)
    for (const each of new Set(tally.failed)) console.log(`! ${each}`)
    if (tally.failed.length > 0) process.exitCode = 1
  } finally {
    await shoal.close()
  }
}

await main()
