/**
 * The website of a bucket: PutBucketWebsite, GetBucketWebsite and DeleteBucketWebsite. What the setting means for requests to
 * the website port: website-routing.ts.
 *
 * Rules keep the order in which the client sent them.
 */

import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import {
  childOf,
  childText,
  refuseOtherChildren,
  tag,
  type XmlElement,
  type XmlLimits,
} from '../http/xml.ts'
import type { RoutingRule, WebsiteHost, WebsiteSetting } from '../port/bucket-documents.ts'
import { bucketLacking, invalidArgument } from './common.ts'
import type { Call } from './operation.ts'
import { settingXml } from './versioning.ts'

/** AWS's limits. Room for more rules than are accepted, so that the refusal can say what is wrong. */
export const WEBSITE_LIMITS: XmlLimits = { maxBytes: 128 * 1024, maxElements: 10_000, maxDepth: 5 }
const MAX_RULES = 50

/**
 * `PUT /bucket?website`: replaces the whole setting. When it answers, every later request through any node obeys it (T8).
 * Throws what `parseWebsite` throws, NoSuchBucket.
 */
export async function putBucketWebsite(call: Call): Promise<S3Response> {
  const website = parseWebsite(await settingXml(call, WEBSITE_LIMITS))
  await call.changeBucket({ website })
  return emptyResponse(200)
}

/** `GET /bucket?website`. Throws NoSuchWebsiteConfiguration, NoSuchBucket. */
export async function getBucketWebsite(call: Call): Promise<S3Response> {
  const { website } = await call.store.getBucketSettings(call.context, call.bucket)
  if (website === undefined) throw bucketLacking(call, 'NoSuchWebsiteConfiguration')
  return xmlResponse('WebsiteConfiguration', websiteXml(website))
}

/** `DELETE /bucket?website`: 204, also when nothing was configured. Throws NoSuchBucket. */
export async function deleteBucketWebsite(call: Call): Promise<S3Response> {
  await call.changeBucket({ website: null })
  return emptyResponse(204)
}

/** The setting as GetBucketWebsite shows it. */
export function websiteXml({ redirectAll, indexSuffix, errorKey, rules }: WebsiteSetting): string {
  return (
    within('RedirectAllRequestsTo', redirectAll && hostXml(redirectAll)) +
    within('IndexDocument', indexSuffix && tag('Suffix', indexSuffix)) +
    within('ErrorDocument', errorKey && tag('Key', errorKey)) +
    within('RoutingRules', rules?.map(ruleXml).join(''))
  )
}

function hostXml({ hostName, protocol }: WebsiteHost): string {
  return tag('HostName', hostName) + tag('Protocol', protocol)
}

function ruleXml({ keyPrefix, errorStatus, redirect }: RoutingRule): string {
  const condition =
    tag('HttpErrorCodeReturnedEquals', errorStatus) + tag('KeyPrefixEquals', keyPrefix)
  const { hostName, status, protocol, replaceKeyPrefixWith, replaceKeyWith } = redirect
  const target =
    tag('HostName', hostName) +
    tag('HttpRedirectCode', status) +
    tag('Protocol', protocol) +
    tag('ReplaceKeyPrefixWith', replaceKeyPrefixWith) +
    tag('ReplaceKeyWith', replaceKeyWith)
  return `<RoutingRule>${within('Condition', condition || undefined)}<Redirect>${target}</Redirect></RoutingRule>`
}

function within(name: string, content: string | undefined): string {
  return content === undefined ? '' : `<${name}>${content}</${name}>`
}

/** Throws MalformedXML, InvalidArgument, InvalidRequest. */
export function parseWebsite(root: XmlElement): WebsiteSetting {
  if (root.name !== 'WebsiteConfiguration') throw new S3Error('MalformedXML')
  refuseOtherChildren(root, [
    'RedirectAllRequestsTo',
    'IndexDocument',
    'ErrorDocument',
    'RoutingRules',
  ])
  const all = childOf(root, 'RedirectAllRequestsTo')
  if (all !== undefined) {
    if (root.children.length > 1) {
      throw invalidArgument(
        'RedirectAllRequestsTo',
        'not null',
        'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
      )
    }
    return { redirectAll: hostOf(all) }
  }
  const rules = childOf(root, 'RoutingRules')
  return {
    indexSuffix: indexOf(childOf(root, 'IndexDocument')),
    errorKey: errorKeyOf(childOf(root, 'ErrorDocument')),
    rules: rules && rulesOf(rules),
  }
}

function hostOf(all: XmlElement): WebsiteHost {
  refuseOtherChildren(all, ['HostName', 'Protocol'])
  const hostName = trimXml(childText(all, 'HostName'))
  if (hostName === undefined) throw new S3Error('MalformedXML')
  if (hostName === '') {
    throw invalidRequest(
      'A host name must be provided to redirect all requests (e.g. "example.com").',
    )
  }
  return { hostName, protocol: protocolOf(all) }
}

function indexOf(element: XmlElement | undefined): string {
  if (element === undefined) {
    throw invalidArgument(
      'IndexDocument',
      'null',
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
    )
  }
  refuseOtherChildren(element, ['Suffix'])
  const suffix = childText(element, 'Suffix') ?? ''
  if (suffix !== '' && !suffix.includes('/')) return suffix
  throw invalidArgument('IndexDocument', suffix, 'The IndexDocument Suffix is not well formed')
}

function errorKeyOf(element: XmlElement | undefined): string | undefined {
  if (element === undefined) return undefined
  refuseOtherChildren(element, ['Key'])
  const key = childText(element, 'Key')
  if (!key) throw new S3Error('MalformedXML')
  return key
}

function rulesOf({ children }: XmlElement): RoutingRule[] {
  if (children.length === 0 || children.some(({ name }) => name !== 'RoutingRule')) {
    throw new S3Error('MalformedXML')
  }
  if (children.length > MAX_RULES) {
    throw invalidRequest(
      `${children.length} routing rules provided, the number of routing rules in a website configuration is limited to ${MAX_RULES}.`,
    )
  }
  return children.map((rule) => {
    refuseOtherChildren(rule, ['Condition', 'Redirect'])
    const redirect = childOf(rule, 'Redirect')
    if (redirect === undefined) throw new S3Error('MalformedXML')
    return { ...conditionOf(childOf(rule, 'Condition')), redirect: redirectOf(redirect) }
  })
}

function conditionOf(
  condition: XmlElement | undefined,
): Pick<RoutingRule, 'keyPrefix' | 'errorStatus'> {
  if (condition === undefined) return {}
  refuseOtherChildren(condition, ['KeyPrefixEquals', 'HttpErrorCodeReturnedEquals'])
  if (condition.children.length === 0) {
    throw invalidRequest(
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
    )
  }
  const status = trimXml(childText(condition, 'HttpErrorCodeReturnedEquals'))
  const problem = (code: string): string =>
    `The provided HTTP error code (${code}) is not valid. Valid codes are 4XX or 5XX.`
  return {
    keyPrefix: childText(condition, 'KeyPrefixEquals'),
    errorStatus: statusOf(status, /^[45]\d\d$/, problem),
  }
}

function redirectOf(element: XmlElement): RoutingRule['redirect'] {
  const known = ['HostName', 'Protocol', 'ReplaceKeyPrefixWith', 'ReplaceKeyWith']
  refuseOtherChildren(element, [...known, 'HttpRedirectCode'])
  if (element.children.length === 0) throw new S3Error('MalformedXML')
  const hostName = trimXml(childText(element, 'HostName'))
  if (hostName === '') {
    throw invalidRequest(
      'The HostName cannot be blank. To redirect within the same domain, the element should not be present.',
    )
  }
  const replaceKeyPrefixWith = childText(element, 'ReplaceKeyPrefixWith')
  const replaceKeyWith = childText(element, 'ReplaceKeyWith')
  if (replaceKeyPrefixWith !== undefined && replaceKeyWith !== undefined) {
    throw invalidRequest('You can only define ReplaceKeyPrefix or ReplaceKey but not both.')
  }
  const status = trimXml(childText(element, 'HttpRedirectCode'))
  const problem = (code: string): string =>
    `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`
  return {
    hostName,
    protocol: protocolOf(element),
    replaceKeyPrefixWith,
    replaceKeyWith,
    status: statusOf(status, /^30[1234578]$/, problem),
  }
}

function statusOf(
  text: string | undefined,
  valid: RegExp,
  problem: (code: string) => string,
): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new S3Error('MalformedXML')
  if (!valid.test(text)) throw invalidRequest(problem(text))
  return Number(text)
}

function protocolOf(element: XmlElement): WebsiteHost['protocol'] {
  const protocol = trimXml(childText(element, 'Protocol'))
  if (protocol === undefined || protocol === 'http' || protocol === 'https') return protocol
  throw invalidRequest(
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  )
}

function invalidRequest(message: string): S3Error {
  return new S3Error('InvalidRequest', message)
}
