/**
 * The dates of HTTP (RFC 9110, 5.6.7) and of SigV4. JavaScript's own parser accepts many more forms, and reads some
 * of them in the time zone of the machine.
 */

import { lowerCase } from './ascii.ts'
import { remembering } from './remembered.ts'

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

const ZONE = /(?:GMT|UTC|UT|Z|([+-])(\d\d):?(\d\d))/.source
const TIME = /(\d\d):(\d\d):(\d\d)/.source
/** Tue, 27 Mar 2007 19:36:42 GMT; AWS's own examples end in +0000. */
const RFC_1123 = new RegExp(`^[A-Za-z]{3}, {1,2}(\\d{1,2}) ([A-Za-z]{3}) (\\d{4}) ${TIME} ${ZONE}$`)
/** Tuesday, 27-Mar-07 19:36:42 GMT */
const RFC_850 = new RegExp(`^[A-Za-z]{6,9}, (\\d\\d)-([A-Za-z]{3})-(\\d\\d) ${TIME} ${ZONE}$`)
/** Tue Mar 27 19:36:42 2007 */
const ASCTIME = new RegExp(`^[A-Za-z]{3} ([A-Za-z]{3}) ([ \\d]\\d) ${TIME} (\\d{4})$`)
/** 20070327T193642Z */
const BASIC = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
/** 2007-03-27T19:36:42Z, with fractions of a second or without. */
const EXTENDED = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?Z$/

/** As EXTENDED, also in another zone: 2007-03-27T21:36:42.5+02:00 */
const TIMESTAMP = new RegExp(
  `^(\\d{4})-(\\d\\d)-(\\d\\d)T${TIME}(\\.\\d{1,9})?(?:Z|([+-])(\\d\\d):?(\\d\\d))$`,
)

/** Milliseconds since 1970 of an HTTP date in one of its three forms; undefined for other text. */
export function parseHttpDate(text: string): number | undefined {
  let match = RFC_1123.exec(text)
  if (match !== null) {
    const [, day, month, year, hour, minute, second, sign, hours, minutes] = match
    return instant([year, monthOf(month), day, hour, minute, second], offset(sign, hours, minutes))
  }
  match = RFC_850.exec(text)
  if (match !== null) {
    const [, day, month, short, hour, minute, second, sign, hours, minutes] = match
    // Two digits mean 1970 to 2069, as POSIX reads them.
    const year = Number(short) + (Number(short) < 70 ? 2000 : 1900)
    return instant([year, monthOf(month), day, hour, minute, second], offset(sign, hours, minutes))
  }
  match = ASCTIME.exec(text)
  if (match === null) return undefined
  const [, month, day, hour, minute, second, year] = match
  return instant([year, monthOf(month), day, hour, minute, second], 0)
}

/** 20070327T193642Z → milliseconds. Kept, since requests of one second have one date. */
export const parseBasicDate = remembering(256, (text) => {
  const match = BASIC.exec(text)
  return match === null ? undefined : instant(match.slice(1), 0)
})

/** 2007-03-27T19:36:42Z → milliseconds, fractions of a second left out. */
export function parseExtendedDate(text: string): number | undefined {
  const match = EXTENDED.exec(text)
  return match === null ? undefined : instant(match.slice(1), 0)
}

/** A time of ISO 8601 → milliseconds, fractions of a millisecond left out. Undefined for other text. */
export function parseTimestamp(text: string): number | undefined {
  const match = TIMESTAMP.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second, fraction = '', ...zone] = match
  const atMs = instant([year, month, day, hour, minute, second], offset(...zone))
  return atMs === undefined ? undefined : atMs + Math.floor(Number(`0${fraction}`) * 1000)
}

/** 20070327T193642Z */
export function basicDate(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

/** 2007-03-27T19:36:42Z */
export function extendedDate(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`
}

function monthOf(name: string | undefined): number {
  const at = MONTHS.findIndex((month) => month === lowerCase(name ?? ''))
  return at + 1
}

function offset(sign?: string, hours?: string, minutes?: string): number {
  if (sign === undefined) return 0
  return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
}

/** Undefined for dates like a 30th of February, which `Date.UTC` would turn into a day of March. */
function instant(
  parts: readonly (string | number | undefined)[],
  offsetMinutes: number,
): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number)
  if (hour > 23 || minute > 59 || second > 60 || Math.abs(offsetMinutes) > 14 * 60) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second)
  return date.getTime() - offsetMinutes * 60_000
}
