import { expect, test } from 'vitest'
import { InputError } from '../../protocol/input.ts'
import { sliceOfPartition, SLICES } from './kademlia.ts'

test('a slice is the first 8 bits of a partition of 14', () => {
  expect(sliceOfPartition(0)).toBe(0)
  expect(sliceOfPartition((1 << 14) - 1)).toBe(SLICES - 1)
  // Clusters of today have more partitions, and `shoal locate` asks for any of them.
  expect(() => sliceOfPartition(1 << 14)).toThrow(InputError)
})
