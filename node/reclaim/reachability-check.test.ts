import { beforeEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf, u32 } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  objectCodec,
  partCodec,
  uploadCodec,
  type UploadRecord,
} from '../../protocol/codec/versioned.ts'
import {
  bucketId,
  dataId,
  operationId,
  type BlockKey,
  type DataId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import {
  ownedByManifest,
  ownedByObject,
  ownedByPart,
  type BlockOwner,
} from '../../protocol/keyspace/owner.ts'
import {
  objectRegister,
  partRegister,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import { MemoryRegisters } from '../objects/testing/memory-registers.ts'
import { ReachabilityCheck } from './reachability-check.ts'

const BUCKET = bucketId('b'.repeat(16))
const UPLOAD_ID = 'u'.repeat(16)
const OBJECT = objectRegister(BUCKET, 2, 'key', 6)
const UPLOAD = uploadRegister(BUCKET, 2, 'key', UPLOAD_ID, 6)
const PART = partRegister(BUCKET, 2, UPLOAD_ID, 7, 6)
const DATA = dataId('d'.repeat(20) + u32(1))
const OTHER = dataId('d'.repeat(20) + u32(2))

let registers: MemoryRegisters
let over: Set<DataId>
let asked: RegisterKey[]
let blocks: Map<BlockKey, Uint8Array>
let reachability: ReachabilityCheck

beforeEach(() => {
  registers = new MemoryRegisters()
  over = new Set([DATA])
  asked = []
  blocks = new Map()
  registers.before = (key) => {
    asked.push(key)
    return undefined
  }
  reachability = new ReachabilityCheck({
    registers: registers.registers,
    watermarks: { ask: (ids) => Promise.resolve(new Set(ids.filter((id) => over.has(id)))) },
    objectReferences: (_, value) =>
      Promise.resolve(new Set((byteString(value.body).match(/.{24}/gs) ?? []).map(dataId))),
    peek: (key) => registers.values.get(key),
    readBlock: (key) => Promise.resolve(blocks.get(key)),
    partitionBits: () => 6,
  })
})

function put(key: RegisterKey, body: Uint8Array, tombstone = false): void {
  registers.values.set(key, {
    operation: operationId('o'.repeat(16)),
    tombstone,
    body,
    blocks: [],
  })
}

function storage(id: DataId): {
  dataId: Uint8Array<ArrayBuffer>
  sizeBytes: number
  packed: boolean
} {
  return { dataId: bytesOf(id), sizeBytes: 9, packed: false }
}

/** An object's state for these tests: only the ids that it names. */
function putObject(...ids: DataId[]): void {
  put(OBJECT, bytesOf(ids.join('')))
}

function putUpload(state: number, result?: Partial<UploadRecord['result']>): void {
  put(UPLOAD, uploadCodec.encode({ state, ...(result && { result }) } as never))
}

function putPart(id: DataId): void {
  put(PART, partCodec.encode({ partNumber: 7, storage: storage(id) } as never))
}

const result = (owner: BlockOwner): Promise<string> => reachability.check(owner, DATA)

describe('G5', () => {
  test('while the attempt may be running, no register is asked and nothing is dead', async () => {
    over.clear()
    expect(await result(ownedByObject(OBJECT))).toBe('running')
    expect(registers.changes).toBe(0)
  })

  test('part, upload and object are changed, in this order', async () => {
    putPart(OTHER)
    putUpload(1)
    putObject(OTHER)
    expect(await result(ownedByPart(UPLOAD, 7))).toBe('dead')
    expect(asked).toEqual([PART, UPLOAD, OBJECT])
  })

  test('for a plain object’s block only the object is asked, for a manifest’s the upload first', async () => {
    await result(ownedByObject(OBJECT))
    expect(asked.splice(0)).toEqual([OBJECT])
    await result(ownedByManifest(UPLOAD))
    expect(asked).toEqual([UPLOAD, OBJECT])
  })

  test('data stays while the part, a completion under way or the object names it', async () => {
    const owner = ownedByPart(UPLOAD, 7)
    putPart(DATA)
    expect(await result(owner)).toBe('referenced')
    putPart(OTHER)
    putUpload(2, { storage: [storage(DATA)] } as never)
    expect(await result(owner)).toBe('referenced')
    // Completed: only the object decides now.
    putUpload(3, { storage: [storage(DATA)] } as never)
    expect(await result(owner)).toBe('dead')
    putObject(OTHER, DATA)
    expect(await result(owner)).toBe('referenced')
  })

  test('a long list of parts is read; when it can’t be read, the check fails', async () => {
    const manifest = bytesOf(OTHER)
    putUpload(2, { storage: [], manifest } as never)
    await expect(result(ownedByPart(UPLOAD, 7))).rejects.toThrow('list of parts')
    blocks.set(packedBlockKey(UPLOAD, OTHER), manifestCodec.encode({ storage: [storage(DATA)] }))
    expect(await result(ownedByPart(UPLOAD, 7))).toBe('referenced')
  })

  test('an absent register gets a tombstone: a promise alone would not exclude a minority’s accept', async () => {
    expect(await result(ownedByPart(UPLOAD, 7))).toBe('dead')
    for (const key of [PART, UPLOAD, OBJECT]) {
      expect(registers.values.get(key)?.tombstone).toBe(true)
    }
    // The role that owns the register can read it.
    expect(objectCodec.decode(registers.values.get(OBJECT)!.body).versions).toEqual([])
    expect(uploadCodec.decode(registers.values.get(UPLOAD)!.body).state).toBe(4)
    expect(await result(ownedByPart(UPLOAD, 7))).toBe('dead')
  })

  test('data of an owner that this program does not know stays for good', async () => {
    expect(await result('\0\0\x7f????' as BlockOwner)).toBe('referenced')
    expect(registers.changes).toBe(0)
  })

  test('a look changes nothing', async () => {
    expect(await reachability.look(ownedByPart(UPLOAD, 7), DATA)).toBe('dead')
    expect(registers.changes).toBe(0)
    expect(registers.values.size).toBe(0)
  })
})
