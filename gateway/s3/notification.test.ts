import { expect, test } from 'vitest'
import { ruleOf, webhookOf } from '../../protocol/notification/rule.ts'
import { S3Error } from '../http/errors.ts'
import { parseXml } from '../http/xml.ts'
import { xmlDocument } from '../http/xml-text.ts'
import { NOTIFICATION_LIMITS, notificationXml, parseNotification } from './notification.ts'

interface Given {
  readonly id?: string
  readonly events?: readonly string[]
  readonly prefix?: string
  readonly suffix?: string
  readonly arn?: string
}

const PUT = 's3:ObjectCreated:Put'

function queueXml({
  id,
  events = [PUT],
  prefix,
  suffix,
  arn = 'arn:minio:sqs::a:webhook',
}: Given): string {
  const rule = (name: string, value: string | undefined): string =>
    value === undefined
      ? ''
      : `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`
  const names = events.map((name) => `<Event>${name}</Event>`).join('')
  const filter = `<Filter><S3Key>${rule('Prefix', prefix)}${rule('suffix', suffix)}</S3Key></Filter>`
  return `<QueueConfiguration>${id === undefined ? '' : `<Id>${id}</Id>`}<Queue>${arn}</Queue>${names}${filter}</QueueConfiguration>`
}

function parsed(...given: Given[]): ReturnType<typeof parseNotification> {
  const text = xmlDocument('NotificationConfiguration', given.map(queueXml).join(''))
  return parseNotification(parseXml(Buffer.from(text), NOTIFICATION_LIMITS))
}

function refusal(...given: Given[]): string {
  try {
    parsed(...given)
  } catch (error) {
    expect(error).toBeInstanceOf(S3Error)
    return `${(error as S3Error).code}: ${(error as S3Error).message}`
  }
  return 'taken'
}

test('what is shown can be sent back, and ids that are made stay the same', () => {
  const rules = parsed(
    { prefix: 'a/', suffix: '.jpg' },
    { id: 'b', prefix: 'b/', events: ['s3:ObjectRemoved:*', PUT] },
  )
  const shown = xmlDocument('NotificationConfiguration', notificationXml(rules))
  expect(parseNotification(parseXml(Buffer.from(shown), NOTIFICATION_LIMITS))).toEqual(rules)
  expect(rules[0]).toMatchObject({ kind: 'queue', prefix: 'a/', suffix: '.jpg', events: [PUT] })
  expect(rules[0]?.id).toBe(parsed({ prefix: 'a/', suffix: '.jpg' })[0]?.id)
})

test('rules that share an event overlap unless prefixes or suffixes part them', () => {
  const overlap = /^InvalidArgument: Configurations overlap/
  expect(refusal({}, { id: 'b' })).toMatch(overlap)
  expect(refusal({ prefix: 'a' }, { prefix: 'ab' })).toMatch(overlap)
  expect(refusal({ prefix: 'a' }, { suffix: 'b' })).toMatch(overlap)
  expect(refusal({ events: ['s3:ObjectCreated:*'] }, {})).toMatch(overlap)
  expect(refusal({ prefix: 'a' }, { prefix: 'b' })).toBe('taken')
  expect(refusal({ suffix: 'a' }, { suffix: 'b' })).toBe('taken')
  expect(refusal({}, { events: ['s3:ObjectCreated:Copy'] })).toBe('taken')
})

test('events, ids, filters and counts are checked as AWS does', () => {
  for (const event of [
    's3:ObjectCreated',
    's3:ObjectCreated:Puts',
    's3:*',
    'ObjectCreated:Put',
    's3:TestEvent',
  ]) {
    expect(refusal({ events: [event] }), event).toMatch(/^InvalidArgument: The event is not/)
  }
  expect(refusal({ events: ['s3:ObjectRestore:Post'] })).toMatch(/^NotImplemented/)
  expect(refusal({ events: ['s3:ReducedRedundancyLostObject'] })).toBe('taken')
  expect(refusal({ events: [] })).toMatch(/^MalformedXML/)
  expect(refusal({ id: 'a', prefix: 'a' }, { id: 'a', prefix: 'b' })).toMatch(
    /^InvalidArgument: Same ID/,
  )
  expect(refusal({ id: 'a'.repeat(256) })).toMatch(/^InvalidArgument: ID length/)
  expect(refusal({ prefix: 'é'.repeat(513) })).toMatch(/^InvalidArgument: Size of filter/)
  const many = Array.from({ length: 101 }, (_, at) => ({ prefix: `${1000 + at}` }))
  expect(refusal(...many)).toMatch(/^InvalidArgument: The number/)
  expect(refusal(...many.slice(1))).toBe('taken')
  expect(refusal({ arn: 'arn:shoal:sns::a:webhook' })).toMatch(
    /^InvalidArgument: Unable to validate/,
  )
})

test('an event goes to the rule of its name, prefix and suffix', () => {
  const rules = parsed(
    { prefix: 'a/', events: ['s3:ObjectCreated:*'] },
    { suffix: '.b', events: ['s3:ObjectRemoved:Delete'] },
  )
  expect(ruleOf(rules, 'ObjectCreated:Copy', 'a/x')).toBe(rules[0])
  expect(ruleOf(rules, 'ObjectCreated:Copy', 'b/x')).toBeUndefined()
  expect(ruleOf(rules, 'ObjectRemoved:Delete', 'x.b')).toBe(rules[1])
  expect(ruleOf(rules, 'ObjectRemoved:DeleteMarkerCreated', 'x.b')).toBeUndefined()
  expect(webhookOf(rules[0]!)).toBe('a')
})
