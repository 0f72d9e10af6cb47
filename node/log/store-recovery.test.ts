/** What a start of the store makes of an index that reflects more of the log than there is. */

import { beforeEach, describe, expect, test } from 'vitest'
import { getU32, putU32, putU48 } from '../../protocol/codec/record.ts'
import { diskError } from '../env/testing/memory-disk.ts'
import { PAGE_BYTES, segmentPath } from './segment.ts'
import { StoreLab } from './testing/store-lab.ts'

let lab: StoreLab

beforeEach(async () => {
  lab = new StoreLab()
  await lab.open()
})

async function sequenceOf(key: string): Promise<number> {
  return (await lab.store.readRecord(lab.placeOf(key)!)).sequence
}

/** Four records, all in the index. Then the machine dies, and an image of the segment comes back that has the first. */
async function putBackOldImage(): Promise<void> {
  await lab.put('a')
  const image = lab.disk.bytesOf(segmentPath(1))
  for (const key of ['b', 'c', 'd']) await lab.put(key)
  await lab.clock.settle(lab.store.commitIndex())
  lab.crash()
  await lab.disk.writeFile(segmentPath(1), image)
}

describe('what only the index proves', () => {
  test('is lost where the log ends before it, and its numbers are not given out again (D9)', async () => {
    await putBackOldImage()
    await lab.open()
    expect(lab.store.losses().map(({ reason }) => reason)).toContain('end-lost')
    expect(await lab.contents()).toEqual(['a'])
    await lab.put('e')
    expect(await sequenceOf('e')).toBe(4)
    expect(lab.placeOf('e')?.segment).toBe(2)
  })

  test('is known to the next start too, when the first one dies before it appends', async () => {
    await putBackOldImage()
    await lab.open()
    lab.crash()
    await lab.open()
    expect(lab.store.losses().map(({ reason }) => reason)).toContain('end-lost')
    await lab.put('e')
    expect(await sequenceOf('e')).toBe(4)
  })

  test('is not given out again either while the manifest takes no writes', async () => {
    await putBackOldImage()
    lab.disk.before = (operation, path) => {
      if (operation === 'write' && path === 'log/manifest') throw diskError('ENOSPC', path)
    }
    await lab.open()
    lab.disk.before = () => {}
    await lab.put('e')
    expect(await sequenceOf('e')).toBe(4)
  })

  test('has no lower numbers than the manifest has, where records before it could not be read', async () => {
    for (const key of ['a', 'b']) await lab.put(key)
    await lab.clock.settle(lab.store.close())
    const reflected = lab.index.rows.get('x\u0001')!
    putU32(reflected, 25, getU32(reflected, 25) + PAGE_BYTES)
    putU48(reflected, 29, 1)
    await lab.open()
    expect(lab.store.losses().map(({ reason }) => reason)).toContain('end-lost')
    await lab.put('c')
    expect(await sequenceOf('c')).toBe(2)
  })
})
