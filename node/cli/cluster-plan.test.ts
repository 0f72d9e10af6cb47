import { describe, expect, it } from 'vitest'
import { UsageError } from '../tools/usage-error.ts'
import { nodeId, type NodeId } from '../../protocol/ids.ts'
import { planCluster, type ExistingNode } from './cluster-plan.ts'

const member = (index: number, base = 9000) => ({
  index,
  isMember: true,
  s3Address: `127.0.0.1:${base + 10 * index}`,
})

describe('a plan of a local cluster', () => {
  it('for an empty directory has three nodes, and the first founds', () => {
    const { nodes, founds } = planCluster({}, [])
    expect(founds).toBe(true)
    expect(nodes.map(({ name }) => name)).toEqual(['node-0', 'node-1', 'node-2'])
    expect(nodes[1]).toMatchObject({
      s3: '127.0.0.1:9010',
      admin: '127.0.0.1:9011',
      listen: '/ip4/127.0.0.1/tcp/9012',
      isMember: false,
    })
  })

  it('for a known directory has the same nodes on the same ports', () => {
    const { nodes, founds } = planCluster({}, [member(1, 7000), member(0, 7000)])
    expect(founds).toBe(false)
    expect(nodes.map(({ s3, isMember }) => [s3, isMember])).toEqual([
      ['127.0.0.1:7000', true],
      ['127.0.0.1:7010', true],
    ])
  })

  it('lets more nodes join, and those whose join was interrupted', () => {
    const { nodes, founds } = planCluster({ nodes: 4 }, [member(0), { index: 1, isMember: false }])
    expect(founds).toBe(false)
    expect(nodes.map(({ isMember }) => isMember)).toEqual([true, false, false, false])
  })

  it('founds no second cluster when node 0 is lost', () => {
    const { nodes, founds } = planCluster({}, [member(1), member(2)])
    expect(founds).toBe(false)
    expect(nodes[0]).toMatchObject({ s3: '127.0.0.1:9000', isMember: false })
  })

  it('does not start or replace a node of the cluster whose directory is lost', () => {
    const id = (name: string): NodeId => nodeId(name.repeat(8))
    const known = (index: number) => ({ ...member(index), nodeId: id(String(index + 1)) })
    const members = [0, 1, 2].map((index) => ({
      nodeId: id(String(index + 1)),
      port: 9002 + 10 * index,
    }))
    const lostOf = (existing: readonly ExistingNode[], nodes?: number) => {
      const plan = planCluster({ nodes }, existing, members)
      expect(plan.founds).toBe(false)
      return plan.nodes.map(({ lost, isMember }) => lost ?? isMember)
    }
    expect(lostOf([known(0), known(1), known(2)])).toEqual([true, true, true])
    expect(lostOf([known(0), known(2)])).toEqual([true, id('2'), true])
    expect(lostOf([known(0), { index: 1, isMember: false }, known(2)])).toEqual([
      true,
      id('2'),
      true,
    ])
    // The lost node has the last index, so the directories show no gap.
    expect(lostOf([known(0), known(1)])).toEqual([true, true, id('3')])
    expect(lostOf([known(1), known(2)], 4)).toEqual([id('1'), true, true, false])
  })

  it.each([
    [{ nodes: 2 }, [member(0), member(1), member(2)], /holds 3 nodes/],
    [{ nodes: 0 }, [], /1 to 100/],
    [{ nodes: 101 }, [], /1 to 100/],
    [{ basePort: 65_530 }, [], /not all between/],
    [{ basePort: 0 }, [], /not all between/],
  ])('%j is refused', (options, existing, expected) => {
    expect(() => planCluster(options, existing)).toThrow(UsageError)
    expect(() => planCluster(options, existing)).toThrow(expected)
  })
})
