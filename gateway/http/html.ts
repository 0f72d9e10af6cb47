/** Pages of HTML for the failures of websites, in AWS's form. */

import { STATUS_CODES } from 'node:http'
import type { S3Error } from './errors.ts'
import { escapeXml } from './xml-text.ts'

/** What is told about a failure, or about a redirect that has a page. */
export interface ShownError extends Pick<S3Error, 'message' | 'details'> {
  readonly code: string
}

/** What a page tells about itself. */
export interface PageIds {
  readonly requestId: string
  readonly hostId: string
}

/** `document` is why the website's own page for errors could not be shown instead. */
export function errorPage(
  failed: ShownError & { readonly status: number },
  { requestId, hostId }: PageIds,
  document?: S3Error,
): string {
  const ids = { RequestId: requestId, HostId: hostId }
  const nested =
    document === undefined
      ? ''
      : `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n${listOf(document, {})}`
  // AWS has the phrase of HTTP/1.0.
  const phrase = failed.status === 302 ? 'Moved Temporarily' : STATUS_CODES[failed.status]
  const title = `${failed.status} ${phrase ?? ''}`
  return `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n${listOf(failed, ids)}${nested}<hr/>\n</body>\n</html>\n`
}

function listOf(
  { code, message, details }: ShownError,
  ids: Readonly<Record<string, string>>,
): string {
  const items = Object.entries({ Code: code, Message: message, ...details, ...ids })
  const lines = items.map(([name, value]) => `<li>${name}: ${escapeXml(String(value))}</li>\n`)
  return `<ul>\n${lines.join('')}</ul>\n`
}
