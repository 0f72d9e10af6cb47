/**
 * Memory: a node of an idle cluster, and one node with 1,000 slow uploads of 5 GiB open.
 *
 * Also alone: `npm run bench -- --only memory`.
 */

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { memory } from './harness/proc.ts'
import { pauseMs } from './harness/process.ts'
import { RawClient } from './harness/s3.ts'
import { Shoal } from './harness/shoal.ts'
import { objectPath, signHeaders } from './harness/sign.ts'
import { printTable } from './table.ts'

const mebi = 1 << 20
const idleMiBMax = 200
const uploadsMiBMax = 600
const uploads = 1_000
const uploadBytes = 5 * 1024 ** 3
const seconds = 30
const bytesPerSecond = 16 << 10
const bucket = 'memory'

/** Prints the table; returns what was above its bound. */
export async function measureMemory(): Promise<string[]> {
  const idle = await idleMiB()
  const loaded = await uploadsMiB()
  const lines = [
    ['3 nodes, idle for 15 s: the fattest', idle.toFixed(0), `${idleMiBMax}`],
    [`1 node, ${uploads} slow uploads of 5 GiB`, loaded.toFixed(0), `${uploadsMiBMax}`],
  ]
  console.log(`\n${printTable(['memory', 'RSS MiB', 'reach'], lines)}`)
  const failures: string[] = []
  if (idle > idleMiBMax) failures.push(`memory: ${idle.toFixed(0)} MiB idle, below its reach`)
  if (loaded > uploadsMiBMax) failures.push(`memory: ${loaded.toFixed(0)} MiB, below its reach`)
  return failures
}

async function idleMiB(): Promise<number> {
  const shoal = await Shoal.start({ nodes: 3 })
  try {
    await pauseMs(15_000)
    return Math.max(...shoal.pids().map((pid) => memory(pid).rssBytes)) / mebi
  } finally {
    await shoal.close()
  }
}

async function uploadsMiB(): Promise<number> {
  const shoal = await Shoal.start({ nodes: 1 })
  const sockets: Socket[] = []
  try {
    const endpoint = shoal.endpoints[0] ?? ''
    const client = new RawClient(endpoint, shoal.credentials)
    await client.must({ method: 'PUT', bucket })
    let closed = 0
    for (let i = 0; i < uploads; i++) {
      const socket = openUpload(shoal, endpoint, `upload-${i}`)
      // The server may refuse what it has no memory for, but must say so: count it.
      socket.once('close', () => closed++)
      socket.on('error', () => {})
      sockets.push(socket)
      if (i % 50 === 49) await pauseMs(50)
    }
    const piece = randomBytes(bytesPerSecond)
    for (let second = 0; second < seconds; second++) {
      for (const socket of sockets) if (!socket.destroyed) socket.write(piece)
      await pauseMs(1_000)
    }
    if (closed > 0) throw new Error(`memory: ${closed} of ${uploads} slow uploads were closed`)
    await client.must({ method: 'GET', bucket })
    client.close()
    return memory(shoal.pid(0)).rssBytesMax / mebi
  } finally {
    for (const socket of sockets) socket.destroy()
    await shoal.close()
  }
}

function openUpload(shoal: Shoal, endpoint: string, key: string): Socket {
  const url = new URL(endpoint)
  const path = objectPath(bucket, key)
  const headers = signHeaders(
    shoal.credentials,
    { method: 'PUT', endpoint, path, now: new Date() },
    'unsigned',
  )
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const socket = connect(Number(url.port), url.hostname)
  socket.write(
    `PUT ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\ncontent-length: ${uploadBytes}\r\n\r\n`,
  )
  return socket
}
