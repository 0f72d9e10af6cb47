/**
 * The notifications of a bucket: PutBucketNotificationConfiguration and GetBucketNotificationConfiguration. Destinations
 * are webhooks that the configuration of the nodes names (docs/notifications.md): no request names an address.
 *
 * Every configuration that is accepted is carried out (node/notifications/). What would be ignored is refused.
 */

import { createHash } from 'node:crypto'
import {
  EVENT_NAMES,
  namesEvent,
  overlapping,
  webhookOf,
  type NotificationRule,
} from '../../protocol/notification/rule.ts'
import { lowerCase, trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childOf, childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { invalidArgument } from './common.ts'
import type { Call } from './operation.ts'
import { settingXml } from './versioning.ts'

/** AWS's limit for all configurations of a bucket together. */
const MAX_RULES = 100
const MAX_ID_CHARACTERS = 255
/** AWS's limit, in bytes of UTF-8. */
const MAX_FILTER_BYTES = 1024
/** An event that is named twice in a rule says nothing more: a rule has no use for more than all names. */
const MAX_EVENTS = 64
/** Room for more than is accepted, so that the refusal can say what is wrong. */
export const NOTIFICATION_LIMITS: XmlLimits = {
  maxBytes: 512 * 1024,
  maxElements: 20_000,
  maxDepth: 6,
}

/** The elements of the document: their kinds, and the names of the destination in them. */
const KINDS: Readonly<Record<string, readonly [NotificationRule['kind'], destination: string]>> = {
  TopicConfiguration: ['topic', 'Topic'],
  QueueConfiguration: ['queue', 'Queue'],
  CloudFunctionConfiguration: ['function', 'CloudFunction'],
}

const SKIP_VALIDATION = 'x-amz-skip-destination-validation'

/**
 * `PUT /bucket?notification`: replaces the whole configuration; an empty one removes it. As in AWS, each destination gets a
 * test event first, unless the request says otherwise, and nothing changes when one does not take it. When it answers,
 * every later write through any node obeys it (T8).
 *
 * Throws what `parseNotification` throws, InvalidArgument for destinations that do not exist or do not answer, NoSuchBucket.
 */
export async function putBucketNotification(call: Call): Promise<S3Response> {
  const rules = parseNotification(await settingXml(call, NOTIFICATION_LIMITS))
  const test = lowerCase(call.request.headers[SKIP_VALIDATION] ?? '') !== 'true'
  const { bucket } = call
  if (rules.length > 0) {
    const destinations = [...new Map(rules.map((rule) => [rule.arn, rule])).values()]
    const webhooks = destinations.map((rule) => webhookOf(rule) as string)
    const refused = await call.store.checkWebhooks(call.context, { bucket, webhooks, test })
    const at = webhooks.findIndex((name) => refused.some((each) => each.webhook === name))
    if (at >= 0) {
      const { reason = '' } = refused.find((each) => each.webhook === webhooks[at]) ?? {}
      throw unusable((destinations[at] as NotificationRule).arn, reason)
    }
  }
  const notification = rules.length === 0 ? null : rules
  await call.changeBucket({ notification })
  return emptyResponse(200)
}

/** `GET /bucket?notification`: an empty document when nothing is configured. Throws NoSuchBucket. */
export async function getBucketNotification(call: Call): Promise<S3Response> {
  const { notification = [] } = await call.store.getBucketSettings(call.context, call.bucket)
  return xmlResponse('NotificationConfiguration', notificationXml(notification))
}

/** The configuration as GetBucketNotificationConfiguration shows it. */
export function notificationXml(rules: readonly NotificationRule[]): string {
  return Object.entries(KINDS)
    .flatMap(([element, [kind, destination]]) =>
      rules
        .filter((rule) => rule.kind === kind)
        .map((rule) => `<${element}>${ruleXml(rule, destination)}</${element}>`),
    )
    .join('')
}

function ruleXml(
  { id, arn, events, prefix, suffix }: NotificationRule,
  destination: string,
): string {
  const filters = filterRuleXml('prefix', prefix) + filterRuleXml('suffix', suffix)
  const filter = filters === '' ? '' : `<Filter><S3Key>${filters}</S3Key></Filter>`
  return (
    tag('Id', id) +
    tag(destination, arn) +
    events.map((name) => tag('Event', name)).join('') +
    filter
  )
}

function filterRuleXml(name: string, value: string | undefined): string {
  return value === undefined
    ? ''
    : `<FilterRule>${tag('Name', name)}${tag('Value', value)}</FilterRule>`
}

/**
 * The rules of a configuration, in the order of its elements. Throws MalformedXML; NotImplemented for EventBridge and for
 * events of what Shoal does not have; InvalidArgument for destinations that are no webhooks, unknown events, rules that
 * overlap or share an id, and more rules than AWS allows.
 */
export function parseNotification(root: XmlElement): NotificationRule[] {
  if (root.name !== 'NotificationConfiguration') throw new S3Error('MalformedXML')
  if (root.children.some(({ name }) => name === 'EventBridgeConfiguration')) {
    throw new S3Error('NotImplemented', 'EventBridge is not implemented as a destination', {
      details: { Element: 'EventBridgeConfiguration' },
    })
  }
  if (root.children.length > MAX_RULES) {
    throw new S3Error(
      'InvalidArgument',
      `The number of notification configurations must not exceed the allowed limit of ${MAX_RULES}.`,
    )
  }
  const rules = root.children.map(parseRule)
  const ids = new Set(rules.map(({ id }) => id))
  if (ids.size < rules.length) {
    throw new S3Error(
      'InvalidArgument',
      'Same ID used for multiple configurations. IDs must be unique.',
    )
  }
  refuseOverlaps(rules)
  return rules
}

function parseRule(element: XmlElement, index: number): NotificationRule {
  const kinds = KINDS[element.name]
  if (kinds === undefined || !Object.hasOwn(KINDS, element.name)) throw new S3Error('MalformedXML')
  const [kind, destination] = kinds
  const known = new Set(['Id', 'Event', 'Filter', destination])
  if (element.children.some(({ name }) => !known.has(name))) throw new S3Error('MalformedXML')
  const arn = trimXml(childText(element, destination))
  const events = element.children
    .filter(({ name }) => name === 'Event')
    .map(({ text }) => trimXml(text))
  if (arn === undefined || arn === '' || events.length === 0 || events.length > MAX_EVENTS) {
    throw new S3Error('MalformedXML')
  }
  for (const event of events) checkEvent(event)
  if (webhookOf({ kind, arn }) === undefined) {
    throw unusable(arn, 'The destination is not a webhook of this store')
  }
  const filter = filterOf(childOf(element, 'Filter'))
  const given = childText(element, 'Id')
  if (given !== undefined && given.length > MAX_ID_CHARACTERS) {
    throw invalidArgument(
      'Id',
      given,
      `ID length should not exceed allowed limit of ${MAX_ID_CHARACTERS}`,
    )
  }
  const id = given || generatedId(JSON.stringify([index, kind, arn, events, filter]))
  return { id, kind, arn, events, ...filter }
}

/** Names in AWS's list whose cause does not exist here. A rule that names one would never act. */
const OTHER_EVENTS =
  /^s3:(ObjectRestore:(\*|Post|Completed|Delete)|Replication:(\*|OperationFailedReplication|OperationNotTracked|OperationMissedThreshold|OperationReplicatedAfterThreshold)|LifecycleTransition|IntelligentTiering|ObjectAnnotation:(\*|Put|Delete))$/

/** It tells of objects that their storage class has lost. As in AWS, where that does not happen, it is never sent. */
const NEVER_SENT = 's3:ReducedRedundancyLostObject'

function checkEvent(event: string): void {
  if (event === NEVER_SENT) return
  if (OTHER_EVENTS.test(event)) {
    throw new S3Error('NotImplemented', `${event} is not implemented: nothing here causes it`, {
      details: { ArgumentName: 'Event', ArgumentValue: event },
    })
  }
  const isKnown = EVENT_NAMES.some((name) => namesEvent(event, name))
  // A shorter wildcard, as 's3:*', is none of AWS's names.
  if (isKnown && /^s3:[A-Za-z]+:(\*|[A-Za-z]+)$/.test(event)) return
  throw invalidArgument('Event', event, 'The event is not supported for notifications')
}

/** At most one prefix and one suffix. An element without rules filters nothing. */
function filterOf(element: XmlElement | undefined): Pick<NotificationRule, 'prefix' | 'suffix'> {
  if (element === undefined) return {}
  if (element.children.some(({ name }) => name !== 'S3Key')) throw new S3Error('MalformedXML')
  const filter: { prefix?: string; suffix?: string } = {}
  const rules = element.children.flatMap(({ children }) => children)
  for (const rule of rules) {
    if (rule.name !== 'FilterRule') throw new S3Error('MalformedXML')
    const given = trimXml(childText(rule, 'Name'))
    const value = childText(rule, 'Value')
    if (given === undefined || value === undefined) throw new S3Error('MalformedXML')
    const name = lowerCase(given)
    if (name !== 'prefix' && name !== 'suffix') {
      throw invalidArgument(
        'FilterRule.Name',
        given,
        'filter rule name must be either prefix or suffix',
      )
    }
    if (filter[name] !== undefined) {
      throw invalidArgument(
        'FilterRule.Name',
        given,
        `Cannot specify more than one ${name} rule in a filter.`,
      )
    }
    if (Buffer.byteLength(value) > MAX_FILTER_BYTES) {
      throw invalidArgument(
        'FilterRule.Value',
        value.slice(0, MAX_FILTER_BYTES),
        `Size of filter rule value cannot exceed ${MAX_FILTER_BYTES} bytes in UTF-8 representation`,
      )
    }
    filter[name] = value
  }
  return filter
}

/** Each event of a key goes to one destination at most. */
function refuseOverlaps(rules: readonly NotificationRule[]): void {
  const covers = ({ events }: NotificationRule): ReadonlySet<string> =>
    new Set(
      [NEVER_SENT.slice(3), ...EVENT_NAMES].filter((name) =>
        events.some((pattern) => namesEvent(pattern, name)),
      ),
    )
  const covered = rules.map(covers)
  for (const [at, rule] of rules.entries()) {
    for (let other = 0; other < at; other++) {
      const before = rules[other] as NotificationRule
      const isShared = [...(covered[at] ?? [])].some((name) => covered[other]?.has(name))
      if (isShared && overlapping(before, rule)) {
        throw new S3Error(
          'InvalidArgument',
          'Configurations overlap. Configurations on the same bucket cannot share a common event type.',
        )
      }
    }
  }
}

/** AWS's error for a destination, with the reason as the value of the argument. */
function unusable(arn: string, reason: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    'Unable to validate the following destination configurations',
    { details: { ArgumentName: arn, ArgumentValue: reason } },
  )
}

/** An id from the rule's content, so that sending a configuration twice gives the same ids. */
function generatedId(content: string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 32)
}
