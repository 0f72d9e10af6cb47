import { expect, it } from 'vitest'
import { replicaIds } from './rounds.ts'

it('takes node ids from fields about replicas only', () => {
  const located = {
    node: 'a',
    layout: { replicas: [{ node: 'b', distance: '0x1' }, { node: 'c' }, { node: 'stranger' }] },
    dht: { replicaSet: ['c', 'd'] },
  }
  expect(replicaIds(located, ['a', 'b', 'c', 'd'])).toEqual(['b', 'c', 'd'])
})
