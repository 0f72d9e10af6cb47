/**
 * Rules of a bucket's notifications: which events of which keys go to which destination. Pure.
 *
 * AWS's page on event types: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
 */

/** One configuration of a bucket's notifications, as the gateway has checked it. Stored as JSON: fields keep their meaning. */
export interface NotificationRule {
  readonly id: string
  /** By which element of AWS's document the destination was named. */
  readonly kind: 'topic' | 'queue' | 'function'
  /** As the client sent it. */
  readonly arn: string
  /** As the client sent them: 's3:ObjectCreated:*', 's3:ObjectRemoved:Delete' … */
  readonly events: readonly string[]
  /** Of the key. When absent, any. */
  readonly prefix?: string | undefined
  readonly suffix?: string | undefined
}

/** What Shoal tells of, without the 's3:' that configurations have in front. */
export const EVENT_NAMES = [
  'ObjectCreated:Put',
  'ObjectCreated:Post',
  'ObjectCreated:Copy',
  'ObjectCreated:CompleteMultipartUpload',
  'ObjectRemoved:Delete',
  'ObjectRemoved:DeleteMarkerCreated',
  'ObjectTagging:Put',
  'ObjectTagging:Delete',
  'ObjectAcl:Put',
  'LifecycleExpiration:Delete',
  'LifecycleExpiration:DeleteMarkerCreated',
] as const

export type EventName = (typeof EVENT_NAMES)[number]

/** Whether a rule that names `pattern`, such as 's3:ObjectCreated:*', is about the event. */
export function namesEvent(pattern: string, event: string): boolean {
  if (!pattern.startsWith('s3:')) return false
  return pattern.endsWith(':*')
    ? event.startsWith(pattern.slice(3, -1))
    : pattern.length === event.length + 3 && pattern.endsWith(event)
}

/**
 * The rule that the event of this key belongs to. There is at most one: configurations whose rules overlap are refused.
 */
export function ruleOf(
  rules: readonly NotificationRule[],
  event: EventName,
  key: string,
): NotificationRule | undefined {
  return rules.find(
    ({ events, prefix = '', suffix = '' }) =>
      key.startsWith(prefix) &&
      key.endsWith(suffix) &&
      events.some((pattern) => namesEvent(pattern, event)),
  )
}

/** Whether some key fits the filters of both rules, as AWS judges it: prefixes and suffixes each by themselves. */
export function overlapping(a: NotificationRule, b: NotificationRule): boolean {
  const { prefix: prefixA = '', suffix: suffixA = '' } = a
  const { prefix: prefixB = '', suffix: suffixB = '' } = b
  return (
    (prefixA.startsWith(prefixB) || prefixB.startsWith(prefixA)) &&
    (suffixA.endsWith(suffixB) || suffixB.endsWith(suffixA))
  )
}

/** By the element of AWS's document: what stands for the service in the ARN of a webhook. */
const SERVICES = { topic: 'sns', queue: 'sqs', function: 'lambda' } as const

/** Names that webhooks can have. */
export const WEBHOOK_NAME = /^[A-Za-z0-9_-]{1,64}$/

const ARN = /^arn:(?:shoal|minio):(sns|sqs|lambda):[a-z0-9-]{0,32}:([A-Za-z0-9_-]{1,64}):webhook$/

/**
 * The webhook that an ARN such as `arn:shoal:sqs::NAME:webhook` names. The service in it belongs to the kind of the
 * configuration, the region may be left out. Undefined for any other text.
 */
export function webhookOf({
  kind,
  arn,
}: Pick<NotificationRule, 'kind' | 'arn'>): string | undefined {
  const match = ARN.exec(arn)
  return match?.[1] === SERVICES[kind] ? match[2] : undefined
}
