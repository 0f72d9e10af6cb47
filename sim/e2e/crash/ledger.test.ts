import { beforeEach, describe, expect, it } from 'vitest'
import { seededBytes } from '../files.ts'
import { Ledger } from './ledger.ts'

const one = { seed: 1, sizeBytes: 1_000 }
const two = { seed: 2, sizeBytes: 1_000 }
const bytes = (value: { seed: number; sizeBytes: number }): Buffer =>
  seededBytes(value.seed, value.sizeBytes)

describe('Ledger', () => {
  let ledger: Ledger
  beforeEach(() => {
    ledger = new Ledger()
    ledger.acknowledge('key', one)
  })

  it('takes the acknowledged value', () => {
    expect(ledger.settle('key', bytes(one))).toEqual(one)
  })

  it('refuses the loss of an acknowledged object', () => {
    expect(() => ledger.settle('key', undefined)).toThrow('key: absent; acknowledged 1000 bytes')
  })

  it('refuses bytes that no client wrote, and half of an object', () => {
    ledger.leaveUnknown('key', two)
    const mixed = Buffer.concat([bytes(one).subarray(0, 500), bytes(two).subarray(500)])
    expect(() => ledger.settle('key', mixed)).toThrow('1000 bytes')
    expect(() => ledger.settle('key', bytes(two).subarray(0, 999))).toThrow('999 bytes')
  })

  it('takes either of an unknown outcome, and only that one from then on', () => {
    ledger.leaveUnknown('key', two)
    expect(ledger.settle('key', bytes(two))).toEqual(two)
    expect(() => ledger.settle('key', bytes(one))).toThrow('key')
  })

  it('lets an unknown outcome surface late, until a later life has acknowledged a write', () => {
    ledger.leaveUnknown('key', two)
    ledger.crashed()
    expect(ledger.settle('key', bytes(one))).toEqual(one)
    expect(ledger.settle('key', bytes(two))).toEqual(two)
    ledger.leaveUnknown('key', one)
    ledger.crashed()
    ledger.acknowledge('key', two)
    expect(() => ledger.settle('key', bytes(one))).toThrow('key')
  })

  it('keeps what is unknown beside an acknowledged write of the same life', () => {
    ledger.leaveUnknown('key', two)
    ledger.acknowledge('key', one)
    expect(ledger.settle('key', bytes(two))).toEqual(two)
  })

  it('knows deletes, acknowledged and unknown', () => {
    ledger.leaveUnknown('key', undefined)
    expect(ledger.settle('key', undefined)).toBeUndefined()
    ledger.acknowledge('key', one)
    ledger.acknowledge('key', undefined)
    expect(() => ledger.settle('key', bytes(one))).toThrow('acknowledged absent')
    expect(ledger.settle('never', undefined)).toBeUndefined()
  })
})
