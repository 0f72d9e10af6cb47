/** Configurations of notifications. */

import {
  NOTIFICATION_LIMITS,
  notificationXml,
  parseNotification,
} from '../../gateway/s3/notification.ts'
import { parsingXml, tag } from '../../gateway/http/xml.ts'
import { xmlDocument } from '../../gateway/http/xml-text.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { overlapping, webhookOf } from '../../protocol/notification/rule.ts'
import { finish } from '../../protocol/work.ts'
import { promise, subjectText, WORD, type Subject } from './subject.ts'

const ROOT = 'NotificationConfiguration'
const TEXT = `${WORD}/-_. &<>"'é😀`
/** Names of events that cover each other, or do not. */
const EVENTS = ['s3:ObjectCreated:*', 's3:ObjectCreated:Put', 's3:ObjectRemoved:Delete']

function configuration(random: SmallRandom, at: number): string {
  const id = random.chance(0.5) ? tag('Id', `${at}${subjectText(random, TEXT, 12)}`) : ''
  const prefix = tag('Name', 'prefix') + tag('Value', `${at}${subjectText(random, TEXT, 12)}`)
  const suffix = tag('Name', 'Suffix') + tag('Value', subjectText(random, TEXT, 12))
  const rules = random.chance(0.5) ? [prefix] : [prefix, suffix]
  const filter = rules.map((rule) => `<FilterRule>${rule}</FilterRule>`).join('')
  const queue = tag('Queue', `arn:shoal:sqs::${at}:webhook`)
  return `<QueueConfiguration>${id}${queue}${tag('Event', random.pick(EVENTS))}<Filter><S3Key>${filter}</S3Key></Filter></QueueConfiguration>`
}

const notifications: Subject = {
  name: 'notifications',
  pieces: /<(\w+)>[^<]*<\/\1>|<(\w+Configuration)>.*?<\/\2>/g,
  share: 50,
  sizeMax: 64 * 1024,
  valid(random) {
    const all = Array.from({ length: random.below(4) }, (_, at) => configuration(random, at))
    return `<${ROOT}>${all.join('')}</${ROOT}>`
  },
  take(body) {
    const rules = parseNotification(finish(parsingXml(Buffer.from(body), NOTIFICATION_LIMITS)))
    promise(rules.length <= 100, 'too many rules')
    promise(new Set(rules.map(({ id }) => id)).size === rules.length, 'two rules with one id')
    for (const [at, rule] of rules.entries()) {
      promise(webhookOf(rule) !== undefined, 'a rule without a destination')
      const same = rules.slice(at + 1).filter(({ events }) => events[0] === rule.events[0])
      promise(!same.some((other) => overlapping(rule, other)), 'rules overlap')
    }
    const shown = Buffer.from(xmlDocument(ROOT, notificationXml(rules)))
    const again = parseNotification(finish(parsingXml(shown, NOTIFICATION_LIMITS)))
    // They are shown by their kinds.
    const sorted = (all: typeof rules): string =>
      JSON.stringify(all.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
    promise(sorted(again) === sorted(rules), 'other rules when shown')
    return true
  },
}

export const NOTIFICATION_SUBJECTS: readonly Subject[] = [notifications]
