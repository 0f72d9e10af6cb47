/**
 * White box: which blocks of a cluster are named by registers, and which are on its disks.
 *
 *   - "no referenced block was freed": freedButReferenced
 *   - "everything unreferenced is freed in the end": unreferencedBlocks
 *   - "each block is at all its replicas": thinBlocks
 *
 * It looks at the rows of all nodes that are up and takes of each register the highest state, so it wants
 * a cluster that has come level.
 */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { decodeState } from '../../protocol/codec/state.ts'
import {
  manifestCodec,
  pageCodec,
  partCodec,
  uploadCodec,
  type PageRecord,
  type StorageRecord,
} from '../../protocol/codec/versioned.ts'
import { dataId, type BlockKey, type DataId, type RegisterKey } from '../../protocol/ids.ts'
import {
  blockKey,
  blockPartition,
  dataIdOf,
  packedBlockKey,
} from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { UPLOAD_COMPLETING } from '../../protocol/object/upload-state.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import { blockRow } from '../../node/replica/index-rows.ts'
import { decodePosition, stateOfRow } from '../../node/replica/row-format.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'
import type { SimulatedCluster } from '../world/cluster.ts'

const ALL = 10_000_000

/** Blocks that no register names, as "node: data id, index". Empty: everything was given back. */
export function unreferencedBlocks(cluster: SimulatedCluster): string[] {
  const named = new Set([...referencedBlocks(cluster)].map(dataIdOf))
  const found: string[] = []
  for (const { number, node } of nodesOf(cluster)) {
    for (const key of blocksOf(node)) {
      if (!named.has(dataIdOf(key))) found.push(`node ${number}: ${textOf(key)}`)
    }
  }
  return found
}

/** Named blocks that no node which is up and should have it has: it is lost. */
export function freedButReferenced(cluster: SimulatedCluster): string[] {
  const nodes = nodesOf(cluster)
  const found: string[] = []
  for (const key of referencedBlocks(cluster)) {
    const replicas = nodes.filter(({ node }) =>
      node.layout.current()!.replicas(partitionOfKey(key)).includes(node.nodeId),
    )
    if (replicas.length === 0) continue
    if (!replicas.some(({ node }) => node.store.get(blockRow(key)) !== undefined)) {
      found.push(textOf(key))
    }
  }
  return found
}

/** Named blocks that some holder of their partition lacks; a holder that is not up counts as lacking them. */
export function thinBlocks(cluster: SimulatedCluster): string[] {
  const nodes = new Map(nodesOf(cluster).map(({ number, node }) => [node.nodeId, { number, node }]))
  const latest = cluster.latestView()
  const found: string[] = []
  for (const key of latest === undefined ? [] : referencedBlocks(cluster)) {
    for (const replica of latest!.replicas(partitionOfKey(key))) {
      const held = nodes.get(replica)
      if (held?.node.store.get(blockRow(key)) !== undefined) continue
      found.push(`node ${held?.number ?? replica} lacks ${textOf(key)}`)
    }
  }
  return found
}

/** Registers that are tombstones on a node that is up. */
export function tombstonesOf(cluster: SimulatedCluster): RegisterKey[] {
  return [...statesOf(cluster)].filter(([, { value }]) => value.tombstone).map(([key]) => key)
}

/** Blocks on the node's disk. */
export function blocksOf(node: ShoalNode): BlockKey[] {
  const keys: BlockKey[] = []
  node.store.range(bytesOf('b'), bytesOf('c'), ALL, (row) => {
    keys.push(byteString(row.subarray(1)) as BlockKey)
  })
  return keys
}

function nodesOf(cluster: SimulatedCluster): { number: number; node: ShoalNode }[] {
  return cluster.numbers.flatMap((number) => {
    const node = cluster.node(number)
    return node === undefined ? [] : [{ number, node }]
  })
}

/** The highest state of each register among the holders of its partition: other nodes may keep an old one. */
function statesOf(cluster: SimulatedCluster): Map<RegisterKey, Accepted> {
  const states = new Map<RegisterKey, Accepted>()
  const latest = cluster.latestView()
  for (const { node } of nodesOf(cluster)) {
    const held = new Set(latest?.partitionsOf(node.nodeId))
    node.store.range(bytesOf('r'), bytesOf('s'), ALL, (row, bytes) => {
      const state = stateOfRow(bytes)
      if (state === undefined) return
      const key = byteString(row.subarray(1)) as RegisterKey
      if (!held.has(partitionOfKey(key))) return
      const accepted = decodeState(state.slice())
      const known = states.get(key)
      if (known === undefined || compareBallots(accepted.ballot, known.ballot) > 0) {
        states.set(key, accepted)
      }
    })
  }
  return states
}

function referencedBlocks(cluster: SimulatedCluster): Set<BlockKey> {
  const named = new Set<BlockKey>()
  const bits = nodesOf(cluster)[0]!.node.layout.current()!.partitionBits
  const addStorage = (key: RegisterKey, storages: readonly StorageRecord[]): void => {
    for (const { dataId: bytes, sizeBytes, packed } of storages) {
      if (sizeBytes === 0) continue
      const id = dataId(byteString(bytes))
      if (packed) {
        named.add(packedBlockKey(key, id))
        continue
      }
      for (let index = 0; index * BLOCK_BYTES < sizeBytes; index++) {
        named.add(blockKey(blockPartition(id, index, bits), id, index))
      }
    }
  }
  const addManifest = (key: RegisterKey, bytes: Uint8Array): void => {
    if (bytes.length === 0) return
    const block = packedBlockKey(key, idOf(bytes))
    named.add(block)
    const list = readBlock(cluster, block)
    if (list !== undefined) addStorage(key, manifestCodec.decode(list).storage)
  }
  const addPage = (key: RegisterKey, { versions, pages }: PageRecord): void => {
    for (const { storage, manifest } of versions) {
      addStorage(key, storage)
      addManifest(key, manifest)
    }
    for (const { dataId: bytes } of pages) {
      const block = packedBlockKey(key, idOf(bytes))
      named.add(block)
      const page = readBlock(cluster, block)
      if (page !== undefined) addPage(key, pageCodec.decode(page))
    }
  }
  for (const [key, { value }] of statesOf(cluster)) {
    if (value.tombstone) continue
    const space = spaceOf(key)
    if (space === 'object') addPage(key, objectOf(value))
    if (space === 'part') {
      const { storage } = partCodec.decode(value.body)
      if (storage !== undefined) addStorage(key, [storage])
    }
    if (space === 'upload') {
      const { state, result } = uploadCodec.decode(value.body)
      if (state !== UPLOAD_COMPLETING || result === undefined) continue
      addStorage(key, result.storage)
      addManifest(key, result.manifest)
    }
  }
  return named
}

function readBlock(cluster: SimulatedCluster, key: BlockKey): Uint8Array | undefined {
  for (const { node } of nodesOf(cluster)) {
    const row = node.store.get(blockRow(key))
    if (row === undefined) continue
    try {
      return node.store.readPayloadSync(decodePosition(row))
    } catch {
      // Damaged: another one has it.
    }
  }
  return undefined
}

function idOf(bytes: Uint8Array): DataId {
  return dataId(byteString(bytes))
}

function textOf(key: BlockKey): string {
  const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
  return `data ${hex(dataIdOf(key))}, block ${hex(key.slice(-4))} of partition ${partitionOfKey(key)}`
}
