import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

describe('sizes', () => {
  it('are read with their unit', () => {
    expect(parseSize('64MiB')).toBe(64 * 2 ** 20)
    expect(parseSize('2 GiB')).toBe(2 ** 31)
    expect(parseSize('1.5TiB')).toBe(1.5 * 2 ** 40)
    expect(parseSize('500GB')).toBe(500e9)
    expect(parseSize('0B')).toBe(0)
  })

  it.each([
    '',
    '64',
    'MiB',
    '64mib',
    '64M',
    '-1MiB',
    '+1MiB',
    '1e3MiB',
    '0x10MiB',
    ' 1MiB',
    '1MiB ',
  ])('%j is none', (text) => expect(parseSize(text)).toBeUndefined())

  it('are whole numbers of bytes that a double holds', () => {
    expect(parseSize('0.3B')).toBeUndefined()
    expect(parseSize('999999999PiB')).toBeUndefined()
    expect(parseSize('1__proto__')).toBeUndefined()
  })

  it('come back as they were written, in whole units', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1023 }),
        fc.constantFrom('KiB', 'MiB', 'GiB'),
        (n, unit) => {
          expect(formatSize(parseSize(`${n}${unit}`) as number)).toBe(`${n} ${unit}`)
        },
      ),
    )
  })

  it('never show 1024 of a unit', () => {
    expect(formatSize(2 ** 20 - 1)).toBe('1.0 MiB')
    expect(formatSize(1023)).toBe('1023 B')
  })
})

describe('durations', () => {
  it('are read with their unit', () => {
    expect(parseDuration('250ms')).toBe(250)
    expect(parseDuration('1.5h')).toBe(5_400_000)
    expect(parseDuration('7d')).toBe(604_800_000)
  })

  it.each(['10', 's', '10sec', '1h30m', '-1s'])('%j is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  )

  it('show their two largest units', () => {
    expect(formatDuration(0)).toBe('0s')
    expect(formatDuration(307)).toBe('5m 7s')
    expect(formatDuration(2 * 86_400 + 3_600 + 59)).toBe('2d 1h')
    expect(formatDuration(3_600)).toBe('1h')
  })
})
