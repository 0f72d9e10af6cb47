/** Settings of websites, and the redirects that come of a visit; settings of access logs. */

import { headerValue } from '../../gateway/http/response.ts'
import { parsingXml } from '../../gateway/http/xml.ts'
import { xmlDocument } from '../../gateway/http/xml-text.ts'
import { fakeMessage } from '../../gateway/testing/requests.ts'
import { parseRequest } from '../../gateway/http/request.ts'
import { hostRedirect, routingRule, ruleRedirect } from '../../gateway/s3/website-routing.ts'
import { LOGGING_LIMITS, loggingXml, parseLogging } from '../../gateway/s3/logging.ts'
import { parseWebsite, WEBSITE_LIMITS, websiteXml } from '../../gateway/s3/website.ts'
import type { WebsiteSetting } from '../../gateway/port/bucket-documents.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { finish } from '../../protocol/work.ts'
import { promise, some, subjectText, WORD, type Subject } from './subject.ts'

function element(random: SmallRandom, name: string, value: string, chance = 0.5): string {
  return random.chance(chance) ? `<${name}>${value}</${name}>` : ''
}

function text(random: SmallRandom): string {
  return subjectText(random, `${WORD}/%#?é&<\r\n`, 12, 1)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('\r', '&#13;')
}

function ruleElement(random: SmallRandom): string {
  const condition =
    element(random, 'KeyPrefixEquals', text(random)) +
    element(random, 'HttpErrorCodeReturnedEquals', random.pick(['403', '404', '500']))
  const redirect =
    `<HostName>${subjectText(random, WORD, 9, 1)}</HostName>` +
    element(random, 'Protocol', random.pick(['http', 'https'])) +
    element(random, random.pick(['ReplaceKeyWith', 'ReplaceKeyPrefixWith']), text(random)) +
    element(random, 'HttpRedirectCode', random.pick(['301', '302', '307']))
  const asked = condition === '' ? '' : `<Condition>${condition}</Condition>`
  return `<RoutingRule>${asked}<Redirect>${redirect}</Redirect></RoutingRule>`
}

const settings: Subject = {
  name: 'settings of websites',
  pieces:
    /<(\w+)>[^<]*<\/\1>|<(\w+)>(?:<(\w+)>[^<]*<\/\3>)+<\/\2>|<RoutingRule>.*?<\/RoutingRule>/gs,
  share: 40,
  sizeMax: WEBSITE_LIMITS.maxBytes,
  valid(random) {
    const all = `<RedirectAllRequestsTo><HostName>h</HostName>${element(random, 'Protocol', 'https')}</RedirectAllRequestsTo>`
    if (random.chance(0.1)) return `<WebsiteConfiguration>${all}</WebsiteConfiguration>`
    const rules = some(random, 5, () => ruleElement(random)).join('')
    return `<WebsiteConfiguration><IndexDocument><Suffix>${subjectText(random, WORD, 9, 1)}</Suffix></IndexDocument>${element(random, 'ErrorDocument', `<Key>${text(random)}</Key>`)}${rules === '' ? '' : `<RoutingRules>${rules}</RoutingRules>`}</WebsiteConfiguration>`
  },
  take(body, random) {
    const website = parsed(Buffer.from(body))
    const shown = Buffer.from(xmlDocument('WebsiteConfiguration', websiteXml(website)))
    promise(
      JSON.stringify(parsed(shown)) === JSON.stringify(website),
      'another setting when it is shown',
    )
    promise((website.redirectAll === undefined) === (website.indexSuffix !== undefined), 'no page')
    redirects(website, random)
    return true
  },
}

function parsed(bytes: Uint8Array): WebsiteSetting {
  return parseWebsite(finish(parsingXml(bytes, WEBSITE_LIMITS)))
}

/** Whatever a setting says, a visit gets an absolute URL that a header can carry. */
function redirects({ redirectAll, rules }: WebsiteSetting, random: SmallRandom): void {
  const [rule] = rules ?? []
  const key = (rule?.keyPrefix ?? '') + subjectText(random, `${WORD}/é`, 9)
  const visit = parseRequest(
    fakeMessage({ url: `/${encodeURIComponent(key)}`, headers: { host: 'bucket:80' } }),
    { hostSuffixes: [], ofWebsite: true },
  )
  const answers = [
    ...(redirectAll === undefined ? [] : [hostRedirect(redirectAll, visit)]),
    ...(rule === undefined ? [] : [ruleRedirect(rule, visit)]),
  ]
  for (const { status, headers } of answers) {
    const location = headers['Location'] ?? ''
    promise(/^https?:\/\/[!-~]+$/.test(location), 'no URL')
    promise(headerValue(location) === location, 'no value of a header')
    promise(status > 300 && status < 400, 'no redirect')
  }
  const found = routingRule(rules, key, rule?.errorStatus)
  promise(rule === undefined || found === rule, 'the first rule is not for its own prefix')
}

const logs: Subject = {
  name: 'settings of access logs',
  pieces: /<(\w+)>[^<]*<\/\1>|<\w+\/>|<(\w+)>(?:<(\w+)>[^<]*<\/\3>)+<\/\2>/g,
  share: 20,
  sizeMax: LOGGING_LIMITS.maxBytes,
  valid(random) {
    if (random.chance(0.1)) return '<BucketLoggingStatus/>'
    const format = random.pick([
      '<SimplePrefix/>',
      '<PartitionedPrefix/>',
      '<PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix>',
    ])
    const named = element(random, 'TargetObjectKeyFormat', format)
    return `<BucketLoggingStatus><LoggingEnabled><TargetBucket>${subjectText(random, WORD, 9, 1)}</TargetBucket><TargetPrefix>${text(random)}</TargetPrefix>${named}</LoggingEnabled></BucketLoggingStatus>`
  },
  take(body) {
    const parse = (bytes: Uint8Array): ReturnType<typeof parseLogging> =>
      parseLogging(finish(parsingXml(bytes, LOGGING_LIMITS)))
    const setting = parse(Buffer.from(body))
    if (setting === undefined) return true
    promise(Buffer.byteLength(setting.targetPrefix) <= 800, 'no room for the rest of a key')
    const shown = Buffer.from(xmlDocument('BucketLoggingStatus', loggingXml(setting)))
    const again = { ...parse(shown), hasGrants: setting.hasGrants }
    promise(JSON.stringify(again) === JSON.stringify(setting), 'another setting when it is shown')
    return true
  },
}

export const WEBSITE_SUBJECTS: readonly Subject[] = [settings, logs]
