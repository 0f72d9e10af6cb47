/** Text of XML: whole documents, the declaration, S3's namespace, and escaping. */

import { upperCase } from './ascii.ts'

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

// XML 1.0 does not allow control characters, even as references. AWS writes the references anyway; clients that
// need such keys ask for encoding-type=url.
// oxlint-disable-next-line no-control-regex
const SPECIAL = /[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g

/** For text and for double-quoted attribute values. */
export function escapeXml(text: string): string {
  if (!SPECIAL.test(text)) return text
  const escaped = text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
  if (!CONTROL.test(escaped)) return escaped
  return escaped.replace(
    CONTROLS,
    (character) => `&#x${upperCase(character.charCodeAt(0).toString(16))};`,
  )
}

/** A whole document: the declaration, and a root in S3's namespace around `content`, which is XML. */
export function xmlDocument(root: string, content: string): string {
  return xmlDocumentAround(root, content, '').join('')
}

/** The same in two parts, for content between `first` and `last`. */
export function xmlDocumentAround(root: string, first: string, last: string): [string, string] {
  return [`${XML_DECLARATION}<${root} xmlns="${S3_NAMESPACE}">${first}`, `${last}</${root}>`]
}
