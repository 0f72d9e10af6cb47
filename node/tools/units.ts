/**
 * Sizes and durations as people write them. Strict: a number and a unit, nothing else, so that a
 * forgotten unit is an error and not a segment of 64 bytes.
 */

export { formatSize } from '../../protocol/size.ts'

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  PiB: 2 ** 50,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  PB: 1e15,
}

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3_600e3,
  d: 86_400e3,
}

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,15})(\.\d{1,6})? ?([A-Za-z]{1,3})$/.exec(text)
  if (match === null) return undefined
  const unit = match[3] as string
  if (!Object.hasOwn(units, unit)) return undefined
  const value = Number(`${match[1]}${match[2] ?? ''}`) * (units[unit] as number)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Bytes of '64MiB', '1.5TiB', '500GB'; undefined when it is no size or not a whole number of bytes. */
export function parseSize(text: string): number | undefined {
  return quantity(text, SIZE_UNITS)
}

/** Milliseconds of '250ms', '10s', '5m', '1h', '7d'; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  return quantity(text, DURATION_UNITS_MS)
}

/** '3d 4h', '5m 7s', '12s': the two largest units, for people only. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ]
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return '0s'
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ')
}
