/** Instants of Date conditions: ISO 8601 in UTC or with an offset, or seconds since 1970. */

const PATTERN =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d))?$/

/**
 * Milliseconds since 1970. Undefined when the text has none of these forms, or names a day that does
 * not exist. Four digits are a year and not seconds, so they are refused: a date needs its day.
 */
export function parseInstant(text: string): number | undefined {
  if (/^\d{1,12}(\.\d{1,3})?$/.test(text) && !/^\d{4}$/.test(text)) return Number(text) * 1000
  const match = PATTERN.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0)) as [number, number, number, number, number, number]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const offsetMinutes = parseOffset(match[8] ?? 'Z')
  if (offsetMinutes === undefined) return undefined
  const fraction = Number(`0.${match[7] ?? 0}`)
  const minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offsetMinutes
  return (minutes * 60 + second + fraction) * 1000
}

/** Minutes east of UTC. Undefined when it is no offset. */
function parseOffset(text: string): number | undefined {
  if (text === 'Z') return 0
  const hours = Number(text.slice(1, 3))
  const minutes = Number(text.slice(-2))
  if (hours > 23 || minutes > 59) return undefined
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** Proleptic Gregorian calendar, counted in years that begin in March. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return (
    y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468
  )
}
