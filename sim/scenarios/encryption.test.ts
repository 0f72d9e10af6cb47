/** Encrypted objects through whole clusters: the key of the cluster, disks without plain text, rebuilt indexes. */

import { expect, test } from 'vitest'
import { DEFAULT_KEY_ID } from '../../gateway/port/encryption.ts'
import { decrypted, encryptionOf } from '../workloads/encryption.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  HEADERS,
  nodeOf,
  onCluster,
} from '../testing/calm-cluster.ts'
import type { SimulatedCluster } from '../world/cluster.ts'

const SECRET = 'what must not be readable on any disk '

/** Text that any stored form of it would show, and so long that it is packed or in blocks. */
function plainText(size: number, number: number): Uint8Array {
  return Buffer.alloc(size, `${SECRET}${number} `)
}

async function write(cluster: SimulatedCluster, node: number, key: string, bytes: Uint8Array) {
  const backend = backendOf(cluster, node)
  const tag = Number(key.split(' ')[1])
  const named = { bucket: BUCKET, key }
  const { record, encrypted } = await encryptionOf(backend, context(), named, tag)
  const body = encrypted(bodyOf(bytes))
  return backend.putObject(context(), { ...named, headers: HEADERS, body, encryption: record })
}

async function read(cluster: SimulatedCluster, node: number, key: string): Promise<Buffer> {
  const backend = backendOf(cluster, node)
  const named = { bucket: BUCKET, key }
  const stored = await backend.getObject(context(), { ...named, withData: true })
  const reader = await decrypted(backend, context(), named, stored)
  if (reader.bytes !== undefined) return Buffer.from(reader.bytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.read(0, reader.info.sizeBytes))
    chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}

/** Which nodes have the text in a file. */
function disksWith(cluster: SimulatedCluster, text: string): number[] {
  return cluster.numbers.filter((number) => {
    const disk = cluster.diskOf(number)
    return disk.paths().some((path) => Buffer.from(disk.contentOf(path)).includes(text))
  })
}

const SIZES = [0, 10, 3_000, 65_520, 131_040, 400_000]

test('nodes that need the key of the cluster at once make one, and all of them read all objects', async () => {
  for (const seed of [1, 2, 3]) {
    await onCluster(
      3,
      async (cluster) => {
        const keys = [0, 1, 2].map((node) => `key ${node}`)
        await Promise.all(
          keys.map((key, node) => write(cluster, node, key, plainText(3_000, node))),
        )
        for (const node of [0, 1, 2]) {
          for (const [number, key] of keys.entries()) {
            expect((await read(cluster, node, key)).equals(plainText(3_000, number))).toBe(true)
          }
        }
      },
      { seed },
    )
  }
})

test('no disk has plain text, and rebuilt indexes lose nothing of it', async () => {
  await onCluster(3, async (cluster) => {
    for (const [number, size] of SIZES.entries()) {
      await write(cluster, number % 3, `key ${number}`, plainText(size, number))
    }
    const { objects } = await backendOf(cluster, 1).listObjects(context(), {
      bucket: BUCKET,
      prefix: '',
      limit: 100,
    })
    expect([...objects].map(({ sizeBytes }) => sizeBytes)).toEqual(SIZES)
    expect(disksWith(cluster, SECRET)).toEqual([])
    for (const number of [0, 1, 2]) {
      cluster.kill(number, false)
      expect(await cluster.rebuildIndex(number)).toEqual({ damaged: 0 })
      await cluster.start(number)
      await calmSleep(cluster, 2_000)
    }
    for (const [number, size] of SIZES.entries()) {
      const got = await read(cluster, (number + 1) % 3, `key ${number}`)
      expect(got.equals(plainText(size, number))).toBe(true)
    }
    // The search finds what is there.
    const body = bodyOf(plainText(3_000, 0))
    await backendOf(cluster, 0).putObject(context(), {
      bucket: BUCKET,
      key: 'plain',
      headers: HEADERS,
      body,
    })
    await calmSleep(cluster, 5_000)
    expect(disksWith(cluster, SECRET)).not.toEqual([])
  })
})

test('a data key that is not bound to the object does not open', async () => {
  await onCluster(3, async (cluster) => {
    const dataKey = bytesLike(32)
    const backend = backendOf(cluster, 0)
    const wrap = { keyId: DEFAULT_KEY_ID, dataKey, binding: 'a' }
    const key = await backend.wrapDataKey(context(), wrap)
    const open = (binding: string): Promise<Uint8Array> =>
      backendOf(cluster, 1).unwrapDataKey(context(), { key, binding })
    expect(await open('a')).toEqual(dataKey)
    expect(await codeOf(open('b'))).toBe('DataLost')
    const other = { ...wrap, keyId: 'unheard' }
    expect(await codeOf(backend.wrapDataKey(context(), other))).toBe('NoSuchEncryptionKey')
  })
})

test('without a majority that knows the key, nothing is encrypted, and nothing is stored plain', async () => {
  await onCluster(3, async (cluster) => {
    await write(cluster, 0, 'key 1', plainText(10, 1))
    for (const number of [1, 2]) cluster.kill(number, false)
    await calmSleep(cluster, 3_000)
    expect(nodeOf(cluster, 0)).toBeDefined()
    const dataKey = bytesLike(32)
    const wrap = { keyId: DEFAULT_KEY_ID, dataKey, binding: 'a' }
    expect(await codeOf(backendOf(cluster, 0).wrapDataKey(context(), wrap))).toBe('Unavailable')
    for (const number of [1, 2]) await cluster.start(number)
    await calmSleep(cluster, 3_000)
    expect(await codeOf(backendOf(cluster, 0).wrapDataKey(context(), wrap))).toBe('ok')
  })
})
