/**
 * The target of a request line, in the forms that clients may send to an origin server (RFC 9112 3.2), and the host
 * that it names.
 */

import { lowerCase } from './ascii.ts'
import { S3Error } from './errors.ts'

/** The parts of a request target. */
export interface RequestTarget {
  /** Percent-encoded, beginning with '/'. */
  readonly rawPath: string
  /** The text after '?', as sent; '' when there is none. */
  readonly rawQuery: string
  /** The host of an absolute URL, which replaces the Host header (RFC 9112 3.2.2). */
  readonly authority: string | undefined
}

/** Printable ASCII without '#': a target has no fragment. */
const ORIGIN_FORM = /^\/[!-"$-~]*$/
/** Schemes are case-insensitive (RFC 9110 4.2.3). */
const ABSOLUTE_FORM = /^(https?):\/\/([^/?#]*)([/?][!-"$-~]*)?$/i
/** A host and an optional port. A user name is an error (RFC 9110 4.2.4). */
const AUTHORITY = /^[A-Za-z0-9._~!$&'()*+,;=%[\]:-]*$/

/** Throws S3Error: InvalidURI. `secure`: the connection uses TLS. */
export function parseTarget(target: string, secure: boolean): RequestTarget {
  if (ORIGIN_FORM.test(target)) return { ...splitQuery(target), authority: undefined }
  const [, scheme = '', authority = '', rest = ''] = ABSOLUTE_FORM.exec(target) ?? []
  if (authority === '' || !isHost(authority)) throw new S3Error('InvalidURI')
  // RFC 9110 7.4: a request for an https URL is refused on a connection without TLS.
  if (lowerCase(scheme) === 'https' && !secure) {
    throw new S3Error('InvalidURI', 'The request asks for https on a connection without TLS.')
  }
  // An empty path is '/'.
  return { ...splitQuery(rest.startsWith('/') ? rest : `/${rest}`), authority }
}

/** Whether this may be the value of a Host header. It may be empty (RFC 9112 3.2). */
export function isHost(text: string): boolean {
  return AUTHORITY.test(text)
}

/** Lower case, without the port and without the dot of the root (RFC 3986 3.2.2, 3.2.3). */
export function hostName(host: string): string {
  return lowerCase(host.replace(/:\d*$/, '').replace(/\.$/, ''))
}

function splitQuery(target: string): { rawPath: string; rawQuery: string } {
  const mark = target.indexOf('?')
  if (mark < 0) return { rawPath: target, rawQuery: '' }
  return { rawPath: target.slice(0, mark), rawQuery: target.slice(mark + 1) }
}
