/**
 * Object lock as requests and answers write it: the documents of its operations, and the headers of requests that store
 * an object. Whether a time is still to come is for the operations to check.
 */

import type { LockMode, ObjectLockSetting } from '../port/bucket-documents.ts'
import type { ObjectLock, Retention } from '../port/objects.ts'
import { trimXml, upperCase } from './ascii.ts'
import { S3Error } from './errors.ts'
import { parseTimestamp } from './http-date.ts'
import type { HeaderRecord } from './request.ts'
import { childOf, childText, tag, xmlDate, type XmlElement, type XmlLimits } from './xml.ts'

/** Room for more than the few elements of these documents, so that a refusal can say what is wrong. */
export const LOCK_LIMITS: XmlLimits = { maxBytes: 16 * 1024, maxElements: 32, maxDepth: 5 }
/** AWS's limits for the default retention of a bucket. */
const DAYS_MAX = 36_500
const YEARS_MAX = 100

export const MODE_HEADER = 'x-amz-object-lock-mode'
export const UNTIL_HEADER = 'x-amz-object-lock-retain-until-date'
export const HOLD_HEADER = 'x-amz-object-lock-legal-hold'

const MODES: Readonly<Record<string, LockMode>> = {
  GOVERNANCE: 'governance',
  COMPLIANCE: 'compliance',
}

/** As AWS writes it. */
export function modeText(mode: LockMode): string {
  return upperCase(mode)
}

function modeOf(text: string | undefined): LockMode | undefined {
  return text !== undefined && Object.hasOwn(MODES, text) ? MODES[text] : undefined
}

/** ON, or OFF where a legal hold was lifted. */
export function holdText(legalHold: boolean): string {
  return legalHold ? 'ON' : 'OFF'
}

/** The only child elements, each at most once. Throws MalformedXML for others. */
function onlyChildren(element: XmlElement, ...names: readonly string[]): void {
  const found = element.children.map(({ name }) => name)
  const isKnown = found.every((name) => names.includes(name))
  if (!isKnown || new Set(found).size < found.length) throw new S3Error('MalformedXML')
}

/** An `<ObjectLockConfiguration>`. Throws MalformedXML, InvalidArgument for a period out of AWS's limits. */
export function parseLockSetting(root: XmlElement): ObjectLockSetting {
  if (root.name !== 'ObjectLockConfiguration') throw new S3Error('MalformedXML')
  onlyChildren(root, 'ObjectLockEnabled', 'Rule')
  if (trimXml(childText(root, 'ObjectLockEnabled')) !== 'Enabled') throw new S3Error('MalformedXML')
  const rule = childOf(root, 'Rule')
  if (rule === undefined) return {}
  onlyChildren(rule, 'DefaultRetention')
  const retention = childOf(rule, 'DefaultRetention')
  if (retention === undefined) throw new S3Error('MalformedXML')
  onlyChildren(retention, 'Mode', 'Days', 'Years')
  const mode = modeOf(trimXml(childText(retention, 'Mode')))
  const days = periodOf(trimXml(childText(retention, 'Days')), DAYS_MAX)
  const years = periodOf(trimXml(childText(retention, 'Years')), YEARS_MAX)
  if (mode === undefined || (days === undefined) === (years === undefined)) {
    throw new S3Error('MalformedXML')
  }
  return {
    defaultRetention: {
      mode,
      ...(days !== undefined && { days }),
      ...(years !== undefined && { years }),
    },
  }
}

function periodOf(text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^-?\d{1,10}$/.test(text)) throw new S3Error('MalformedXML')
  const period = Number(text)
  if (period < 1) {
    throw new S3Error(
      'InvalidArgument',
      'Default retention period must be a positive integer value',
    )
  }
  if (period > max) throw new S3Error('InvalidArgument', 'Default retention period too large')
  return period
}

/** The content of `<ObjectLockConfiguration>`. */
export function lockSettingXml({ defaultRetention }: ObjectLockSetting): string {
  const enabled = tag('ObjectLockEnabled', 'Enabled')
  if (defaultRetention === undefined) return enabled
  const { mode, days, years } = defaultRetention
  const period = tag('Days', days) + tag('Years', years)
  return `${enabled}<Rule><DefaultRetention>${tag('Mode', modeText(mode))}${period}</DefaultRetention></Rule>`
}

/** A `<Retention>`; null for an empty one, which removes retention. Throws MalformedXML. */
export function parseRetention(root: XmlElement): Retention | null {
  if (root.name !== 'Retention') throw new S3Error('MalformedXML')
  onlyChildren(root, 'Mode', 'RetainUntilDate')
  if (root.children.length === 0) return null
  const mode = modeOf(trimXml(childText(root, 'Mode')))
  const untilMs = parseTimestamp(trimXml(childText(root, 'RetainUntilDate')) ?? '')
  if (mode === undefined || untilMs === undefined) throw new S3Error('MalformedXML')
  return { mode, untilMs }
}

/** The content of `<Retention>`. */
export function retentionXml({ mode, untilMs }: Retention): string {
  return tag('Mode', modeText(mode)) + tag('RetainUntilDate', xmlDate(untilMs))
}

/** A `<LegalHold>`: whether it is on. Throws MalformedXML. */
export function parseLegalHold(root: XmlElement): boolean {
  if (root.name !== 'LegalHold') throw new S3Error('MalformedXML')
  onlyChildren(root, 'Status')
  const status = trimXml(childText(root, 'Status'))
  if (status !== 'ON' && status !== 'OFF') throw new S3Error('MalformedXML')
  return status === 'ON'
}

/** The lock that the headers ask for; undefined without them. Throws InvalidArgument. */
export function parseLockHeaders(headers: HeaderRecord): ObjectLock | undefined {
  const { [MODE_HEADER]: mode, [UNTIL_HEADER]: until, [HOLD_HEADER]: hold } = headers
  if (mode === undefined && until === undefined && hold === undefined) return undefined
  const retention = retentionInHeaders(mode, until)
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    throw wrongHeader(HOLD_HEADER, hold, "Legal Hold must be either of 'ON' or 'OFF'")
  }
  return {
    ...(retention !== undefined && { retention }),
    ...(hold !== undefined && { legalHold: hold === 'ON' }),
  }
}

function retentionInHeaders(
  mode: string | undefined,
  until: string | undefined,
): Retention | undefined {
  if (mode === undefined && until === undefined) return undefined
  if (mode === undefined || until === undefined) {
    const [name, value] = mode === undefined ? [UNTIL_HEADER, until] : [MODE_HEADER, mode]
    throw wrongHeader(name, value ?? '', `${UNTIL_HEADER} and ${MODE_HEADER} must both be supplied`)
  }
  const known = modeOf(mode)
  if (known === undefined) throw wrongHeader(MODE_HEADER, mode, 'Unknown wormMode directive.')
  const untilMs = parseTimestamp(until)
  if (untilMs === undefined) {
    const text = 'The retain until date must be provided in ISO 8601 format'
    throw wrongHeader(UNTIL_HEADER, until, text)
  }
  return { mode: known, untilMs }
}

function wrongHeader(name: string, value: string, text: string): S3Error {
  return new S3Error('InvalidArgument', text, {
    details: { ArgumentName: name, ArgumentValue: value },
  })
}
