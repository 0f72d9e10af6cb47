/** The fields of the configuration that say where notifications of buckets go (config-fields.ts). */

import { z } from 'zod'
import { parseIpRange, type IpRange } from '../../protocol/iam/ip.ts'
import { WEBHOOK_NAME } from '../../protocol/notification/rule.ts'
import { guides } from './config-guides.ts'
import { durationValue, sizeValue } from './config-values.ts'

/** A destination of notifications, as it is configured. */
export interface WebhookSetting {
  readonly name: string
  readonly url: string
  readonly authorization?: string | undefined
  readonly secret?: string | undefined
  readonly allow: readonly IpRange[]
}

const WEBHOOKS_MAX = 100
const FIELDS: readonly string[] = ['url', 'authorization', 'secret', 'allow']
/** What a header can hold. */
const HEADER_TEXT = /^[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?$/
const QUEUE_BYTES_MIN = 8 * 2 ** 20

/** A table by name; variables bring it as JSON. What is wrong is said without any value, because some are secret. */
function webhooksValue(): z.ZodType<readonly WebhookSetting[]> {
  return z.unknown().transform((value, context): readonly WebhookSetting[] => {
    try {
      return webhooksOf(typeof value === 'string' ? jsonOf(value) : value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('is not a table of webhooks; in a variable it is JSON')
  }
}

function webhooksOf(value: unknown): WebhookSetting[] {
  const entries = Object.entries(tableOf(value, 'is not a table of webhooks by name'))
  if (entries.length > WEBHOOKS_MAX) throw new Error(`has more than ${WEBHOOKS_MAX} webhooks`)
  return entries.map(([name, given]) => {
    if (!WEBHOOK_NAME.test(name)) {
      throw new Error('has a name that is not 1 to 64 letters, digits, dashes and underscores')
    }
    const table = tableOf(given, `of ${name} is not a table with a url`)
    const unknown = Object.keys(table).find((field) => !FIELDS.includes(field))
    if (unknown !== undefined) throw new Error(`of ${name} knows ${FIELDS.join(', ')} only`)
    const { url, authorization, secret, allow = [] } = table
    return {
      name,
      url: urlOf(name, url),
      authorization: headerOf(name, 'authorization', authorization),
      secret: headerOf(name, 'secret', secret),
      allow: rangesOf(name, allow),
    }
  })
}

function tableOf(value: unknown, problem: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new Error(problem)
}

function urlOf(name: string, value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === undefined || !isHttp || url.username !== '' || url.password !== '') {
    throw new Error(`of ${name} has no http or https url, without a user in it`)
  }
  return url.href
}

function headerOf(name: string, field: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && HEADER_TEXT.test(value))) return value
  throw new Error(`of ${name} has ${field} that is not 1 to 4096 printable ASCII characters`)
}

function rangesOf(name: string, value: unknown): IpRange[] {
  const texts: readonly unknown[] = Array.isArray(value) ? value : [value]
  return texts.map((text) => {
    const range = typeof text === 'string' ? parseIpRange(text) : undefined
    if (range === undefined) {
      throw new Error(`of ${name} allows what is no list of IP addresses and ranges`)
    }
    return range
  })
}

export const notificationFields = {
  webhooks: webhooksValue()
    .prefault({})
    .register(guides, {
      meaning:
        'Destinations of notifications of buckets, by name: each has a `url`, and may have `authorization` (the value of ' +
        'that header), `secret` (messages are signed with it) and `allow`, the addresses and ranges that are not public ' +
        'where it may be all the same ([notifications](docs/notifications.md)). Every node needs the same ones. In a ' +
        'variable it is JSON.',
      cost: 'whoever may configure a bucket decides what its destinations are sent.',
      takes: 'a table of tables, at most 100',
      otherwise: 'none',
    }),
  webhookQueue: sizeValue(QUEUE_BYTES_MIN, 2 ** 40, 'is outside 8MiB to 1TiB')
    .prefault('64MiB')
    .register(guides, {
      meaning:
        "Events that wait for one webhook on this node's disk, all together. What finds no room is dropped and counted: no " +
        'write fails because a webhook is down.',
      cost: 'that much of the disk for each webhook at most, beside `capacity`.',
      takes: '8MiB to 1TiB',
    }),
  webhookAge: durationValue(60_000, 30 * 86_400e3, 'is outside 1m to 30d')
    .prefault('1d')
    .register(guides, {
      meaning:
        'How long an event that its webhook does not take is tried again. Then it is dropped and counted.',
      takes: '1m to 30d',
    }),
}
