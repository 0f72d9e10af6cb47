import { expect, it } from 'vitest'
import { replicaIds } from './rounds.ts'

it('takes the nodes by the layout', () => {
  const located = {
    byLayout: [
      { node: 'b', distance: '01' },
      { node: 'c', distance: '02' },
    ],
    byWalk: { replicas: ['d'], provider: 'd', hops: 1 },
  }
  expect(replicaIds(located)).toEqual(['b', 'c'])
  expect(replicaIds({})).toEqual([])
})
