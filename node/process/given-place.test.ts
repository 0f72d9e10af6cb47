import { describe, expect, it } from 'vitest'
import { placeToRemember, type GivenPlace } from './given-place.ts'

const member = { zone: 'rack-1', capacityBytes: 100 }

function remember(
  given: GivenPlace,
  remembered: GivenPlace,
  of: typeof member | undefined = member,
): { place: GivenPlace; warnings: string[] } {
  const warnings: string[] = []
  const warn = (_fields: Record<string, unknown>, text: string): void => void warnings.push(text)
  return { place: placeToRemember(given, remembered, of, { warn }), warnings }
}

describe('zone and capacity that a start gives', () => {
  it('are remembered as the layout has them', () => {
    const same = { zone: 'rack-1', capacityBytes: 100 }
    expect(remember(same, {})).toEqual({ place: same, warnings: [] })
    expect(remember(same, same)).toEqual({ place: same, warnings: [] })
    expect(remember({ zone: 'rack-1' }, {})).toEqual({ place: { zone: 'rack-1' }, warnings: [] })
  })

  it('from before a change of the layout cause no warning', () => {
    const old = { zone: 'default', capacityBytes: 50 }
    expect(remember(old, old)).toEqual({ place: member, warnings: [] })
  })

  it('have no effect on a member, and the start says so', () => {
    const { place, warnings } = remember({ zone: 'rack-2', capacityBytes: 7 }, member)
    expect(place).toEqual(member)
    expect(warnings).toEqual([
      'the zone that was given has no effect: change it with `shoal layout set NODE --zone ZONE`',
      'the capacity that was given has no effect: change it with `shoal layout set NODE --capacity SIZE`',
    ])
  })

  it('of a node that has just joined are remembered as the layout has them', () => {
    // The node replaces a smaller one and gets the share of that one.
    expect(remember({ zone: 'rack-1', capacityBytes: 500 }, {}).warnings).toEqual([])
  })

  it('of a node that is not in the layout yet stay', () => {
    expect(placeToRemember({ zone: 'z' }, {}, undefined, { warn() {} })).toEqual({ zone: 'z' })
  })
})
