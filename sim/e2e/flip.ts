/**
 * `node sim/e2e/flip.ts [--places 200] [--objects 3000]`
 *
 * Bits are flipped at random places of segments and index of one of three nodes, while it is stopped: every
 * read through every gateway is right, and a scrub finds and mends all of it.
 */

import { openSync, closeSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { eachLimited, RawClient } from '../../bench/harness/s3.ts'
import { shoal as cli, Shoal } from '../../bench/harness/shoal.ts'
import { spaceBucket, SpaceObjects } from './space/objects.ts'
import { waitUntilWhole } from './whole.ts'

const { values } = parseArgs({
  options: {
    places: { type: 'string', default: '200' },
    objects: { type: 'string', default: '3000' },
  },
})
const places = Number(values.places)
const wanted = Number(values.objects)
const DAMAGED = 1

/** Flips one bit at `count` random places of the files, drawn by size. */
function flip(paths: readonly string[], count: number): void {
  const sizes = paths.map((path) => statSync(path).size)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  for (let i = 0; i < count; i++) {
    let at = Math.floor(Math.random() * total)
    let file = 0
    while (at >= (sizes[file] ?? 0)) at -= sizes[file++] ?? 0
    const handle = openSync(paths[file] ?? '', 'r+')
    const byte = Buffer.alloc(1)
    readSync(handle, byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
    writeSync(handle, byte, 0, 1, at)
    closeSync(handle)
  }
}

async function main(): Promise<void> {
  const shoal = await Shoal.start({ nodes: 3, env: { SHOAL_SEGMENT_SIZE: '16MiB' } })
  try {
    const clients = shoal.endpoints.map((url) => new RawClient(url, shoal.credentials))
    await clients[0]?.must({ method: 'PUT', bucket: spaceBucket })
    const objects = new SpaceObjects(clients)
    await eachLimited(wanted, 32, async (i) => objects.put(i))
    await waitUntilWhole(shoal, 120_000)
    await shoal.killNode(DAMAGED)
    const directory = shoal.nodeDir(DAMAGED)
    const files = (name: string): string[] =>
      readdirSync(join(directory, name))
        .filter((file) => file.endsWith('.seg') || file === 'data.mdb')
        .map((file) => join(directory, name, file))
    const inIndex = Math.floor(places / 4)
    flip(files('log'), places - inIndex)
    flip(files('index'), inIndex)
    console.log(`${places - inIndex} bits flipped in segments, ${inIndex} in the index`)
    await shoal.startNode(DAMAGED)
    await objects.checkAll()
    console.log(`${objects.count} objects read through three gateways: every byte right`)
    const data = ['--data', directory]
    for (let pass = 1; pass <= 4; pass++) {
      const { stdout, code } = await cli(['scrub', ...data], {
        timeoutMs: 600_000,
        okCodes: [0, 1],
      })
      console.log(`scrub ${pass}: ${stdout.trim().split('\n').at(-1)} (exit ${code})`)
      await waitUntilWhole(shoal, 120_000)
      if (code === 0) break
      if (pass === 4) throw new Error('damage is left')
    }
    const only = new SpaceObjects([clients[DAMAGED] as RawClient])
    for (let i = 0; i < wanted; i++) only.expect(i, 1)
    await only.checkAll()
    console.log('every byte right through the mended node')
    for (const client of clients) client.close()
  } catch (error) {
    console.log(shoal.output.split('\n').slice(-40).join('\n'))
    throw error
  } finally {
    await shoal.close()
  }
}

await main()
