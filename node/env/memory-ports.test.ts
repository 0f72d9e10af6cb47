import { describe } from 'vitest'
import { diskCompliance } from './testing/disk.compliance.ts'
import { indexCompliance } from './testing/index.compliance.ts'
import { MemoryDisk } from './testing/memory-disk.ts'
import { MemoryIndex } from './testing/memory-index.ts'

describe('the disk in memory', () => {
  diskCompliance(() => Promise.resolve(new MemoryDisk()))
})

describe('the index in memory', () => {
  indexCompliance(
    () => Promise.resolve(new MemoryIndex()),
    (index) => Promise.resolve(new MemoryIndex((index as MemoryIndex).rows)),
  )
})
