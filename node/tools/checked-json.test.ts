import { describe, expect, it } from 'vitest'
import { checkedFields, withChecksum } from './checked-json.ts'

const text = JSON.stringify(withChecksum({ version: 1, boot: 41, name: 'Zoë', absent: undefined }))

describe('a checked file', () => {
  it('comes back without its checksum', () => {
    const { fields, checked } = checkedFields(JSON.parse(text))
    expect(checked).toBe(true)
    expect(fields).toEqual({ version: 1, boot: 41, name: 'Zoë' })
  })

  it('of an earlier program is told apart', () => {
    expect(checkedFields({ version: 1 })).toEqual({ fields: { version: 1 }, checked: false })
    expect(checkedFields(null)).toEqual({ fields: null, checked: false })
  })

  it('is never taken for another one when any bit of it is flipped (A4)', () => {
    const bytes = Buffer.from(text)
    let parsed = 0
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes)
      copy[bit >> 3]! ^= 1 << (bit & 7)
      let json: unknown
      try {
        json = JSON.parse(copy.toString())
      } catch {
        continue
      }
      parsed++
      try {
        const { fields, checked } = checkedFields(json)
        // Only the name of the checksum itself: strict readers refuse such a field.
        expect(checked).toBe(false)
        expect(Object.keys(fields as object)).toHaveLength(4)
      } catch (error) {
        expect(String(error)).toMatch(/checksum does not fit/)
      }
    }
    expect(parsed).toBeGreaterThan(100)
  })
})
