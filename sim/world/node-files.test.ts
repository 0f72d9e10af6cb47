/** The identity of a simulated node is on its disk: one damaged file of two is mended, and no boot comes twice (P1, G5). */

import { expect, test } from 'vitest'
import { storageId } from '../../protocol/ids.ts'
import { NODE_COPY_FILE, NODE_FILE } from '../../node/process/node-record.ts'
import { SimulatedDisk } from './disk.ts'
import { NODE_FILES, openNodeFiles, readNodeRecord, unsoundNodeFiles } from './node-files.ts'
import { seededRandom } from './seeded-random.ts'
import { backendOf, bytesLike, get, nodeOf, onCluster, put } from '../testing/calm-cluster.ts'
import { VirtualClock } from './virtual-clock.ts'

const BIRTH = { storageId: storageId('0123456789abcdef01234567'), origin: 'join' } as const

function newDisk(): SimulatedDisk {
  return new SimulatedDisk({ clock: new VirtualClock(), random: seededRandom(1) })
}

test.each(NODE_FILES)('a flipped byte of %s, any of them, is mended by the next start', (name) => {
  const disk = newDisk()
  const first = openNodeFiles(disk, BIRTH)
  first.remember({ logId: '0'.repeat(32), clusterSecret: 'c2VjcmV0' })
  let { boot } = first.record
  expect(boot).toBe(1)
  for (let at = 0; at < disk.contentOf(name).length; at++) {
    disk.corrupt(name, at, 1 << (at % 8))
    expect(unsoundNodeFiles(disk)).toEqual([name])
    expect(readNodeRecord(disk)?.boot).toBe(boot)
    const next = openNodeFiles(disk, BIRTH)
    expect(next.mended).toEqual([name])
    expect(next.record).toEqual({ ...first.record, boot: ++boot })
    expect(unsoundNodeFiles(disk)).toEqual([])
    disk.crash('lost')
    expect(readNodeRecord(disk)).toEqual(next.record)
  }
})

test('the later of two whole files counts: a start that wrote the copy alone has used its boot', () => {
  const disk = newDisk()
  openNodeFiles(disk, BIRTH)
  const old = disk.contentOf(NODE_FILE)
  openNodeFiles(disk, BIRTH)
  disk.put(NODE_FILE, old)
  expect(openNodeFiles(disk, BIRTH).record.boot).toBe(3)
})

test('both damaged, or none there beside other files: no start', () => {
  const disk = newDisk()
  openNodeFiles(disk, BIRTH)
  for (const name of NODE_FILES) disk.corrupt(name, 20, 1)
  expect(() => openNodeFiles(disk, BIRTH)).toThrow(`${NODE_FILE} is damaged`)
  for (const name of NODE_FILES) disk.lose(name)
  disk.put('log/id', new Uint8Array(1))
  expect(() => openNodeFiles(disk, BIRTH)).toThrow('holds files')
})

test('a node whose files are damaged, running or not, comes back with a boot of its own', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', bytesLike(100))
    const disk = cluster.diskOf(1)
    let boot = readNodeRecord(disk)!.boot
    for (const name of [NODE_FILE, NODE_COPY_FILE]) {
      for (const running of [true, false]) {
        if (!running) cluster.kill(1, true)
        disk.corrupt(name, 100, 4)
        if (running) cluster.kill(1, true)
        await cluster.start(1)
        expect(nodeOf(cluster, 1).selfCheck.boot).toBe(++boot)
        expect(unsoundNodeFiles(disk)).toEqual([])
      }
    }
    expect(await get(backendOf(cluster, 1), 'key')).toEqual(bytesLike(100))
  })
})
