/**
 * Which redirect of a website is for a request, and where it leads. Pure: website-gate.ts looks up the object.
 *
 * Before the look-up the first rule without an error counts whose prefix the key has. When the object cannot be answered, the
 * first rule counts that names the status of that error, and whose prefix, if it has one, the key has. The key is always the
 * one that was asked for, without the index suffix.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html
 */

import type { S3Request } from '../http/request.ts'
import type { S3Response } from '../http/response.ts'
import type { RoutingRule, WebsiteHost } from '../port/bucket-documents.ts'

/** `errorStatus`: that of the answer, or undefined before the look-up. */
export function routingRule(
  rules: readonly RoutingRule[] | undefined,
  key: string,
  errorStatus: number | undefined,
): RoutingRule | undefined {
  return rules?.find(
    (rule) => rule.errorStatus === errorStatus && key.startsWith(rule.keyPrefix ?? ''),
  )
}

/** The answer of a rule. As in AWS it is an absolute URL, and the query goes along. */
export function ruleRedirect(rule: RoutingRule, request: S3Request): S3Response {
  const { redirect, keyPrefix = '' } = rule
  const { replaceKeyPrefixWith, replaceKeyWith, status = 301 } = redirect
  let path = request.rawPath
  if (replaceKeyWith !== undefined) path = `/${asSent(replaceKeyWith)}`
  else if (replaceKeyPrefixWith !== undefined) {
    const rest = (request.key ?? '').slice(keyPrefix.length)
    path = `/${asSent(replaceKeyPrefixWith)}${encodedKey(rest)}`
  }
  return { status, headers: { Location: locationOf(redirect, request, path) } }
}

/** The answer of a website that redirects all requests. */
export function hostRedirect(host: WebsiteHost, request: S3Request): S3Response {
  return { status: 301, headers: { Location: locationOf(host, request, request.rawPath) } }
}

/** The URL of a folder that was asked for without its slash, relative to the host. */
export function folderLocation({ rawPath, rawQuery }: S3Request): string {
  return `${rawPath}/${queryOf(rawQuery)}`
}

function locationOf(
  { hostName, protocol }: RoutingRule['redirect'],
  { headers, secure, rawQuery }: S3Request,
  path: string,
): string {
  const scheme = protocol ?? (secure ? 'https' : 'http')
  const host = hostName === undefined ? (headers['host'] ?? '') : asSent(hostName)
  return `${scheme}://${host}${path}${queryOf(rawQuery)}`
}

function queryOf(rawQuery: string): string {
  return rawQuery === '' ? '' : `?${rawQuery}`
}

/**
 * A part of a URL as its owner wrote it, also with a fragment such as `#!/`. What a header cannot carry is percent-encoded, so
 * that it cannot begin another header.
 */
function asSent(text: string): string {
  return text.replace(/[^!-~]+/gu, (part) => encodeURIComponent(part.toWellFormed()))
}

/** A decoded part of a key as the path of a URL. */
function encodedKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/')
}
