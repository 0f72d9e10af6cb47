import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { AnswerMemory } from './answer-memory.ts'
import { ByteWriter } from './byte-writer.ts'

const memory = new AnswerMemory({ poisoned: true })

const piece = fc.oneof(
  fc.record({ text: fc.string({ unit: 'binary', maxLength: 100 }) }),
  fc.record({ number: fc.maxSafeNat() }),
  fc.record({ number: fc.nat({ max: 2_000 }) }),
  fc.record({ bytes: fc.string({ maxLength: 100 }) }),
)

test('text, numbers and bytes follow each other, however much was expected', () => {
  fc.assert(
    fc.property(fc.array(piece), fc.nat({ max: 300 }), (pieces, expectedBytes) => {
      const writer = new ByteWriter(expectedBytes, memory)
      let text = ''
      for (const each of pieces) {
        if ('text' in each) writer.putText(each.text)
        else if ('number' in each) writer.putNumber(each.number)
        else writer.putPart(utf8(`<${each.bytes}>`), 1, utf8(each.bytes).length + 1)
        text += 'text' in each ? each.text : 'number' in each ? each.number : each.bytes
      }
      expect(writer.length).toBe(utf8(text).length)
      expect(utf8Text(writer.finish())).toBe(utf8Text(utf8(text)))
    }),
  )
})

test('bounds of powers of ten are written whole', () => {
  for (let power = 1; power < 2 ** 53; power *= 10) {
    for (const value of [power - 1, power, power + 1]) {
      const writer = new ByteWriter(0, memory)
      writer.putNumber(value)
      expect(utf8Text(writer.finish())).toBe(String(value))
    }
  }
})
