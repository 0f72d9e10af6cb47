import { describe, expect, it } from 'vitest'
import { parseDuration, parseSize } from '../tools/units.ts'
import { defaultOf, guideOf } from './config-fields.ts'
import { fieldNames, resolveConfig, variableName } from './config.ts'

const isTaken = (field: string, value: string): boolean => {
  try {
    resolveConfig({ env: { [variableName(field)]: value } })
    return true
  } catch {
    return false
  }
}

/** One more than '3GiB', '1h' or '7'. */
function beyond(value: string): string {
  const sizeBytes = parseSize(value)
  if (sizeBytes !== undefined) return `${sizeBytes + 1}B`
  const durationMs = parseDuration(value)
  return durationMs === undefined ? String(Number(value) + 1) : `${durationMs + 1}ms`
}

const ranges = fieldNames.flatMap((field) => {
  const [, low, high] = /^(\S+) to (\S+)$/.exec(guideOf(field).takes) ?? []
  return low === undefined || high === undefined ? [] : [{ field, low, high }]
})

describe('the guide of a field', () => {
  it.each(ranges)('says the range that $field takes: $low to $high', ({ field, low, high }) => {
    expect(isTaken(field, low)).toBe(true)
    expect(isTaken(field, high)).toBe(true)
    expect(isTaken(field, beyond(high))).toBe(false)
    if (Number.parseFloat(low) > 0) expect(isTaken(field, low.replace(/^[\d.]+/, '0'))).toBe(false)
  })

  it('knows most fields by their range', () => {
    expect(ranges.length).toBeGreaterThan(15)
  })

  it.each(['sigv2', 'logLevel'] as const)('names every value that %s takes', (field) => {
    const named = [...guideOf(field).takes.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '')
    expect(named.filter((value) => !isTaken(field, value))).toEqual([])
    expect(isTaken(field, 'other')).toBe(false)
  })

  it.each(fieldNames)('says of %s what holds when it is not given', (field) => {
    const fallback = defaultOf(field)
    if (fallback === undefined) expect(guideOf(field).otherwise).toMatch(/./)
    else expect(isTaken(field, fallback)).toBe(true)
  })
})
