/**
 * XML, both ways: text for answers, and a strict, small parser for request bodies (row 28 of the
 * fault matrix): size cap before parsing, no DOCTYPE, no entities but the predefined ones, no
 * processing instructions, a cap on depth, UTF-8 only.
 */

import { SaxesParser } from 'saxes'

import { S3Error } from './errors.ts'

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

const REFERENCES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}

// Control characters are no XML 1.0, not even as references; AWS writes the references all the same.
// Clients that care ask for encoding-type=url.
// oxlint-disable-next-line no-control-regex
const SPECIAL = /[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex
const SPECIALS = /[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g

/** For text and for double-quoted attribute values. */
export function escapeXml(text: string): string {
  if (!SPECIAL.test(text)) return text
  return text.replace(
    SPECIALS,
    (character) =>
      REFERENCES[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  )
}

/** `<name>value</name>`, escaped; nothing when the value is undefined. */
export function tag(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`
}

/** A whole answer: declaration and root in S3's namespace around `content` (XML already). */
export function xmlDocument(root: string, content: string): string {
  return `${XML_DECLARATION}<${root} xmlns="${S3_NAMESPACE}">${content}</${root}>`
}

/** UTC with milliseconds, as in S3's listings: 2009-10-12T17:50:30.000Z. */
export function xmlDate(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

const URL_SAFE = /^[A-Za-z0-9\-_./*]*$/

/** Keys and prefixes under `encoding-type=url`: form encoding with `/` left as it is. */
export function encodeUrl(text: string): string {
  if (URL_SAFE.test(text)) return text
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replaceAll('%20', '+')
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** One element. Attributes are dropped; names are without their namespace prefix. */
export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  /** Text and CDATA directly inside, joined, untrimmed. */
  readonly text: string
}

export interface XmlLimits {
  readonly maxBytes: number
  /** Elements inside each other, the root counted. 16 when absent. */
  readonly maxDepth?: number | undefined
}

interface OpenElement {
  name: string
  children: OpenElement[]
  text: string
}

/** The root element. Throws MalformedXML. */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  if (bytes.length > limits.maxBytes) throw malformed('The XML is larger than allowed.')
  const maxDepth = limits.maxDepth ?? 16
  const open: OpenElement[] = []
  let root: OpenElement | undefined
  // Without a handler of its own saxes throws at the first fault.
  const parser = new SaxesParser({ xmlns: true })
  parser.on('doctype', () => {
    throw malformed('A DOCTYPE is not allowed.')
  })
  parser.on('processinginstruction', () => {
    throw malformed('Processing instructions are not allowed.')
  })
  parser.on('xmldecl', (declaration) => {
    if (declaration.encoding !== undefined && !/^utf-8$/i.test(declaration.encoding)) {
      throw malformed('The XML must be UTF-8.')
    }
  })
  parser.on('opentag', (node) => {
    if (open.length >= maxDepth) throw malformed('The XML is nested too deeply.')
    const element: OpenElement = { name: node.local, children: [], text: '' }
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
    open.push(element)
  })
  parser.on('closetag', () => void open.pop())
  const addText = (text: string): void => {
    const parent = open.at(-1)
    if (parent !== undefined) parent.text += text
  }
  parser.on('text', addText)
  parser.on('cdata', addText)
  try {
    parser.write(decoder.decode(bytes)).close()
  } catch (error) {
    if (error instanceof S3Error) throw error
    throw malformed(undefined, error)
  }
  if (root === undefined) throw malformed()
  return root
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function malformed(message?: string, cause?: unknown): S3Error {
  return new S3Error('MalformedXML', message, { cause })
}

/** The only child of that name; undefined when absent. Throws MalformedXML when there are several. */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  let found: XmlElement | undefined
  for (const child of element.children) {
    if (child.name !== name) continue
    if (found !== undefined) throw malformed(`There is more than one ${name}.`)
    found = child
  }
  return found
}

/** Its text, of an element without children. Undefined when absent. */
export function childText(element: XmlElement, name: string): string | undefined {
  const child = childOf(element, name)
  if (child === undefined) return undefined
  if (child.children.length > 0) throw malformed(`${name} must hold text only.`)
  return child.text
}
