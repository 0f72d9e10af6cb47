import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIST_REPLY, ListRows, type ListReply } from './list-reply.ts'
import { WireListReply } from './messages.js'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  // Lengths of two and three bytes.
  fc.constantFrom(127, 128, 16_383, 16_384).map((size) => new Uint8Array(size).fill(7)),
)
const reply = fc.record({
  kind: fc.nat({ max: 3 }),
  epoch: fc.maxSafeNat(),
  generation: fc.maxSafeNat(),
  intervals: fc.array(
    fc.record({
      rows: fc.array(fc.record({ key: bytes, state: bytes }), { maxLength: 5 }),
      digest: bytes,
      coveredEnd: bytes,
    }),
    { maxLength: 4 },
  ),
})

type Plain = ReturnType<typeof WireListReply.decode>

const packed = ({ intervals, ...rest }: Plain): ListReply => ({
  ...rest,
  intervals: intervals.map((each) => ({ ...each, rows: ListRows.of(each.rows) })),
})

const unpacked = ({ intervals, ...rest }: ListReply): unknown => ({
  ...rest,
  intervals: intervals.map(({ rows, digest, coveredEnd }) => ({
    rows: Array.from({ length: rows.length }, (_, i) => ({
      key: rows.key(i),
      state: rows.state(i),
    })),
    digest,
    coveredEnd,
  })),
})

describe('replies of lists', () => {
  test('are written and read as the generated codec does', () => {
    fc.assert(
      fc.property(reply as fc.Arbitrary<Plain>, (plain) => {
        const written = LIST_REPLY.encode(packed(plain))
        expect(written).toEqual(WireListReply.encode(plain))
        const read = LIST_REPLY.decode(written)
        expect(unpacked(read)).toEqual(plain)
        expect(LIST_REPLY.encode(read)).toEqual(written)
      }),
    )
  })

  test('are refused when they are cut short', () => {
    const rows = ListRows.of([{ key: new Uint8Array(9), state: new Uint8Array(300) }])
    const interval = { rows, digest: new Uint8Array(0), coveredEnd: new Uint8Array(0) }
    const written = LIST_REPLY.encode({ intervals: [interval] })
    for (let end = 1; end < written.length; end++) {
      expect(() => LIST_REPLY.decode(written.subarray(0, end))).toThrow(RangeError)
    }
  })

  test('are refused when a length goes on without end', () => {
    const endless = new Uint8Array(400).fill(0x80)
    endless[0] = 0x22
    expect(() => LIST_REPLY.decode(endless)).toThrow(RangeError)
  })
})
