/** `--peer NAME=URL,KEY,SECRET[,REGION]`: a running S3 server of any kind, measured beside the floor and Shoal. */

import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { reason } from './harness/process.ts'
import { eachLimited, RawClient } from './harness/s3.ts'
import type { Credentials } from './harness/sign.ts'
import type { Target } from './target.ts'

export interface Peer {
  readonly name: string
  readonly endpoint: string
  readonly credentials: Credentials
}

export function parsePeer(text: string): Peer {
  const form = `--peer ${text}: not NAME=URL,KEY,SECRET or NAME=URL,KEY,SECRET,REGION`
  const match = /^([\w.-]+)=([^,]+),([^,]+),([^,]+)(?:,([^,]+))?$/.exec(text)
  if (match === null) throw new Error(form)
  const [, name = '', url = '', accessKeyId = '', secretAccessKey = '', region] = match
  if (['floor', 'shoal'].includes(name)) throw new Error(`--peer ${text}: ${name} is measured`)
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
    throw new Error(`--peer ${text}: ${url} is not an http:// address`)
  }
  const credentials = { accessKeyId, secretAccessKey, ...(region === undefined ? {} : { region }) }
  return { name, endpoint: new URL(url).origin, credentials }
}

/** Makes a bucket of its own, which `close` empties and deletes. */
export async function openPeer({ name, endpoint, credentials }: Peer): Promise<Target> {
  const bucket = `bench-${randomBytes(4).toString('hex')}`
  const client = new RawClient(endpoint, credentials)
  try {
    await client.must({ method: 'PUT', bucket })
  } catch (error) {
    client.close()
    throw new Error(`${name}: ${reason(error)}`, { cause: error })
  }
  return {
    name,
    endpoint,
    credentials,
    bucket,
    pids: pidsOf(endpoint),
    hasListing: false,
    output: () => '(not started by the bench)',
    close: async () => {
      try {
        await removeBucket(client, bucket)
      } catch (error) {
        console.log(`${name}: bucket ${bucket} is left: ${reason(error)}`)
      } finally {
        client.close()
      }
    },
  }
}

async function removeBucket(client: RawClient, bucket: string): Promise<void> {
  const query = { 'list-type': '2', 'max-keys': '1000' }
  for (;;) {
    const page = await client.must({ method: 'GET', bucket, query })
    const keys = [...page.body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!)
    if (keys.length === 0) break
    await eachLimited(keys.length, 32, async (i) => {
      await client.must({ method: 'DELETE', bucket, key: keys[i]! })
    })
  }
  await client.must({ method: 'DELETE', bucket })
}

/** The processes of this machine that listen on the port of an address; none when it is elsewhere. */
function pidsOf(endpoint: string): number[] {
  const { hostname, port } = new URL(endpoint)
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const isHere = hostname === 'localhost' || own.some(({ address }) => address === hostname)
  if (!isHere) return []
  const sockets = ['tcp', 'tcp6'].flatMap((file) => {
    try {
      return listeningSockets(readFileSync(`/proc/net/${file}`, 'latin1'), Number(port || 80))
    } catch {
      return []
    }
  })
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && holdsOneOf(name, sockets))
    .map(Number)
}

/** Inodes of the sockets that listen on a port, from the text of /proc/net/tcp. */
export function listeningSockets(text: string, port: number): string[] {
  return text.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    const isListening = state === '0A' && Number.parseInt(local?.split(':')[1] ?? '', 16) === port
    return isListening && inode !== undefined ? [inode] : []
  })
}

function holdsOneOf(pid: string, sockets: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
      return inode !== undefined && sockets.includes(inode)
    })
  } catch {
    // It has ended, or belongs to another user.
    return false
  }
}

/** Empty when the file was closed since the folder was read. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
