/**
 * PutBucketCors, GetBucketCors and DeleteBucketCors. What the rules mean for requests of browsers: cross-origin.ts.
 *
 * Rules, and the values in each of their lists, keep the order in which the client sent them.
 */

import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { childText, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import type { CorsRule } from '../port/bucket-documents.ts'
import { bucketLacking, digestedXml } from './common.ts'
import type { Call } from './operation.ts'

/** AWS's limits. */
const MAX_RULES = 100
const MAX_ID_CHARACTERS = 255
const MAX_AGE_SECONDS = 0x7fffffff
/** AWS's limit of the size. Room for more rules than are accepted, so that the refusal can say what is wrong. */
export const CORS_LIMITS: XmlLimits = { maxBytes: 64 * 1024, maxElements: 10_000, maxDepth: 4 }

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'HEAD', 'POST', 'DELETE'])
/** The elements of a rule: those that may be repeated, then those that may not. */
const LISTS = ['AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader'] as const
const KNOWN: ReadonlySet<string> = new Set([...LISTS, 'ID', 'MaxAgeSeconds'])

/**
 * `PUT /bucket?cors`: replaces the whole configuration. As in AWS, the body must have a digest. When it answers, every
 * later request through any node obeys the rules (T8). Throws what `parseCors` throws, BadDigest, NoSuchBucket.
 */
export async function putBucketCors(call: Call): Promise<S3Response> {
  const cors = parseCors(await digestedXml(call, CORS_LIMITS))
  await call.changeBucket({ cors })
  return emptyResponse(200)
}

/** `GET /bucket?cors`. Throws NoSuchCORSConfiguration, NoSuchBucket. */
export async function getBucketCors(call: Call): Promise<S3Response> {
  const { cors } = await call.store.getBucketSettings(call.context, call.bucket)
  if (cors === undefined) {
    throw bucketLacking(call, 'NoSuchCORSConfiguration')
  }
  return xmlResponse('CORSConfiguration', corsXml(cors))
}

/** `DELETE /bucket?cors`: 204, also when nothing was configured. Throws NoSuchBucket. */
export async function deleteBucketCors(call: Call): Promise<S3Response> {
  await call.changeBucket({ cors: null })
  return emptyResponse(204)
}

/** The configuration as GetBucketCors shows it. */
export function corsXml(rules: readonly CorsRule[]): string {
  return rules.map(ruleXml).join('')
}

function ruleXml(rule: CorsRule): string {
  const list = (name: string, values: readonly string[]): string =>
    values.map((value) => tag(name, value)).join('')
  return `<CORSRule>${tag('ID', rule.id)}${list('AllowedOrigin', rule.allowedOrigins)}${list('AllowedMethod', rule.allowedMethods)}${list('AllowedHeader', rule.allowedHeaders)}${tag('MaxAgeSeconds', rule.maxAgeSeconds)}${list('ExposeHeader', rule.exposeHeaders)}</CORSRule>`
}

/** The rules of a configuration, 1 to 100. Throws MalformedXML, InvalidRequest. */
export function parseCors(root: XmlElement): CorsRule[] {
  const { name, children } = root
  if (name !== 'CORSConfiguration' || children.some((child) => child.name !== 'CORSRule')) {
    throw new S3Error('MalformedXML')
  }
  if (children.length === 0) throw new S3Error('MalformedXML')
  if (children.length > MAX_RULES) {
    throw invalid(`The number of CORS rules should not exceed allowed limit of ${MAX_RULES} rules.`)
  }
  return children.map(parseRule)
}

function parseRule(rule: XmlElement): CorsRule {
  if (rule.children.some((child) => !KNOWN.has(child.name) || child.children.length > 0)) {
    throw new S3Error('MalformedXML')
  }
  const [allowedOrigins, allowedMethods, allowedHeaders, exposeHeaders] = LISTS.map((name) =>
    rule.children.filter((child) => child.name === name).map(({ text }) => text),
  ) as [string[], string[], string[], string[]]
  if (allowedOrigins.length === 0 || allowedMethods.length === 0) throw new S3Error('MalformedXML')
  for (const method of allowedMethods) {
    if (METHODS.has(method)) continue
    throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`)
  }
  refuseManyWildcards('AllowedOrigin', allowedOrigins)
  refuseManyWildcards('AllowedHeader', allowedHeaders)
  for (const header of exposeHeaders) {
    if (!header.includes('*')) continue
    throw invalid(
      `ExposeHeader "${header}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
    )
  }
  const id = childText(rule, 'ID')
  if (id !== undefined && id.length > MAX_ID_CHARACTERS) {
    throw invalid(`ID length should not exceed allowed limit of ${MAX_ID_CHARACTERS}`)
  }
  const maxAgeSeconds = secondsOf(trimXml(childText(rule, 'MaxAgeSeconds')))
  return { id, allowedOrigins, allowedMethods, allowedHeaders, exposeHeaders, maxAgeSeconds }
}

function refuseManyWildcards(element: string, values: readonly string[]): void {
  for (const value of values) {
    if (value.indexOf('*') === value.lastIndexOf('*')) continue
    throw invalid(`${element} "${value}" can not have more than one wildcard.`)
  }
}

/** An integer of 32 bits, which is not negative. Undefined when the element is absent. */
function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (!/^\d{1,10}$/.test(text) || seconds > MAX_AGE_SECONDS) throw new S3Error('MalformedXML')
  return seconds
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', message)
}
