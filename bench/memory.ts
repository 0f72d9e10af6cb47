/**
 * Memory: a node of an idle cluster, one node with 1,000 slow uploads of 5 GiB open, and one with 1,000 slow downloads.
 * The nodes run the bundle, as `npm start` does: the sources take about 30 MiB more, because Node.js removes their types.
 *
 * Also alone: `npm run bench -- --only memory`.
 */

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { memory } from './harness/proc.ts'
import { pauseMs } from './harness/process.ts'
import { RawClient } from './harness/s3.ts'
import { checkout, Shoal } from './harness/shoal.ts'
import { objectPath, signHeaders } from './harness/sign.ts'
import { printTable } from './table.ts'

const mebi = 1 << 20
/** It runs the bundle if that was made of the present sources. */
const entry = join(checkout, '.config', 'start.js')
const idleMiBMax = 130
const loadedMiBMax = 600
const clients = 1_000
const uploadBytes = 5 * 1024 ** 3
/** More than the kernel buffers of a connection. */
const downloadBytes = 64 << 20
const seconds = 30
const bytesPerSecond = 16 << 10
const bucket = 'memory'
/** What is downloaded. */
const key = 'large'

/** Prints the table; returns what was above its bound. */
export async function measureMemory(): Promise<string[]> {
  const measured = [
    ['3 nodes, idle for 15 s: the fattest', await idleMiB(), idleMiBMax],
    [`1 node, ${clients} slow uploads of 5 GiB`, await uploadsMiB(), loadedMiBMax],
    [`1 node, ${clients} slow downloads of 64 MiB`, await downloadsMiB(), loadedMiBMax],
  ] as const
  const lines = measured.map(([title, mib, most]) => [title, mib.toFixed(0), String(most)])
  console.log(`\n${printTable(['memory', 'RSS MiB', 'reach'], lines)}`)
  return measured.flatMap(([title, mib, most]) =>
    mib > most ? [`memory: ${title}: ${mib.toFixed(0)} MiB, below its reach`] : [],
  )
}

async function idleMiB(): Promise<number> {
  const shoal = await Shoal.start({ nodes: 3, entry })
  try {
    await pauseMs(15_000)
    return Math.max(...shoal.pids().map((pid) => memory(pid).rssBytes)) / mebi
  } finally {
    await shoal.close()
  }
}

async function uploadsMiB(): Promise<number> {
  const piece = randomBytes(bytesPerSecond)
  return slowMiB(
    'uploads',
    (shoal, client) => openUpload(shoal, client),
    (socket) => void socket.write(piece),
  )
}

async function downloadsMiB(): Promise<number> {
  return slowMiB(
    'downloads',
    (shoal) => openDownload(shoal),
    (socket) => void socket.read(bytesPerSecond),
    async (client) => client.must({ method: 'PUT', bucket, key, body: randomBytes(downloadBytes) }),
  )
}

/** @param step what each client does once a second. */
async function slowMiB(
  title: string,
  open: (shoal: Shoal, client: number) => Socket,
  step: (socket: Socket) => void,
  prepare: (client: RawClient) => Promise<unknown> = async () => {},
): Promise<number> {
  const shoal = await Shoal.start({ nodes: 1, entry })
  const sockets: Socket[] = []
  try {
    const client = new RawClient(shoal.endpoints[0] ?? '', shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    await prepare(client)
    let closed = 0
    for (let i = 0; i < clients; i++) {
      const socket = open(shoal, i)
      // The server may refuse what it has no memory for, but must say so: count it.
      socket.once('close', () => closed++)
      socket.on('error', () => {})
      sockets.push(socket)
      if (i % 50 === 49) await pauseMs(50)
    }
    for (let second = 0; second < seconds; second++) {
      for (const socket of sockets) if (!socket.destroyed) step(socket)
      await pauseMs(1_000)
    }
    if (closed > 0) throw new Error(`memory: ${closed} of ${clients} slow ${title} were closed`)
    await client.must({ method: 'GET', bucket })
    client.close()
    return memory(shoal.pid(0)).rssBytesMax / mebi
  } finally {
    for (const socket of sockets) socket.destroy()
    await shoal.close()
  }
}

function openUpload(shoal: Shoal, client: number): Socket {
  const { socket, path, headers } = opened(shoal, 'PUT', `upload-${client}`)
  socket.write(`PUT ${path} HTTP/1.1\r\n${headers}\r\ncontent-length: ${uploadBytes}\r\n\r\n`)
  return socket
}

function openDownload(shoal: Shoal): Socket {
  const { socket, path, headers } = opened(shoal, 'GET', key)
  // With a listener, and without reading all that comes.
  socket.on('readable', () => {})
  socket.write(`GET ${path} HTTP/1.1\r\n${headers}\r\n\r\n`)
  return socket
}

function opened(
  shoal: Shoal,
  method: 'GET' | 'PUT',
  name: string,
): { readonly socket: Socket; readonly path: string; readonly headers: string } {
  const endpoint = shoal.endpoints[0] ?? ''
  const url = new URL(endpoint)
  const path = objectPath(bucket, name)
  const signed = signHeaders(
    shoal.credentials,
    { method, endpoint, path, now: new Date() },
    'unsigned',
  )
  const headers = Object.entries(signed).map(([header, value]) => `${header}: ${value}`)
  const socket = connect(Number(url.port), url.hostname)
  return { socket, path, headers: headers.join('\r\n') }
}
