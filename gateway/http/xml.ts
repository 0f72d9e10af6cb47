/**
 * Writes XML for answers, and parses the XML of request bodies strictly (F28): the size is checked before parsing;
 * only UTF-8 and the predefined entities are allowed, no DOCTYPE and no processing instructions. Elements, their
 * depth and their attributes are counted while the text is parsed, in slices, so that a document is refused at the
 * first one too many.
 */

import { SaxesParser } from 'saxes'
import { finish, Meter, type Work } from '../../protocol/work.ts'
import { S3Error } from './errors.ts'
import { escapeXml } from './xml-text.ts'

/** `<name>value</name>`, escaped; '' when the value is undefined. */
export function tag(name: string, value: string | number | boolean | undefined): string {
  if (value === undefined) return ''
  return `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`
}

const SECONDS_MAX = 4096
/** Texts of seconds, up to the point before the milliseconds. */
const seconds = new Map<number, string>()

/**
 * UTC with milliseconds, as in S3's listings: 2009-10-12T17:50:30.000Z. The texts of seconds are kept, because the
 * entries of a page often come from few of them. Throws RangeError for a time that no date has.
 */
export function xmlDate(timeMs: number): string {
  const second = Math.floor(timeMs / 1000)
  let text = seconds.get(second)
  if (text === undefined) {
    text = new Date(second * 1000).toISOString().slice(0, -4)
    if (seconds.size >= SECONDS_MAX) seconds.clear()
    seconds.set(second, text)
  }
  const ms = Math.floor(timeMs - second * 1000)
  return `${text}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
}

/** Writes names as XML, or form-encoded when the client asked for that. */
export type NameWriter = (text: string) => string

const URL_SAFE = /^[A-Za-z0-9\-_./*]*$/

/** Keys and prefixes with `encoding-type=url`: form encoding that leaves `/` unchanged. */
export function encodeUrl(text: string): string {
  if (URL_SAFE.test(text)) return text
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replaceAll('%20', '+')
    .replaceAll('~', '%7E')
    .replaceAll('!', '%21')
    .replaceAll("'", '%27')
    .replaceAll('(', '%28')
    .replaceAll(')', '%29')
}

/** How many steps a character of a name takes that had to be escaped, at worst. */
const STEPS_PER_ESCAPED = 8

/** Writes a name, and counts what that costs: long names that need much escaping take the most of an answer's time. */
export function meteredName(name: string, write: (text: string) => string, meter: Meter): string {
  const written = write(name)
  if (written !== name) meter.take(written.length * STEPS_PER_ESCAPED)
  return written
}

/** Joins the XML of many items, in slices. A character takes a step, and `xmlOf` counts what takes more. */
export function* joinedXml<T>(
  items: readonly T[],
  xmlOf: (item: T, meter: Meter) => string,
): Work<string> {
  const meter = new Meter()
  let text = ''
  for (const item of items) {
    const each = xmlOf(item, meter)
    text += each
    meter.take(each.length)
    if (meter.isDue()) yield
  }
  return text
}

/** One element. Attributes are dropped; names are without their namespace prefix. */
export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  /** The text and CDATA directly inside, joined, not trimmed. */
  readonly text: string
}

/** The limits of documents of one operation. */
export interface XmlLimits {
  readonly maxBytes: number
  /** Including the root. */
  readonly maxElements: number
  /** Levels of nested elements, including the root. 16 when absent. */
  readonly maxDepth?: number | undefined
}

const MAX_DEPTH = 16
/** For one element. S3's documents only have namespaces and xsi:type. */
const MAX_ATTRIBUTES = 32
/** How much is parsed at a time. */
const CHUNK_BYTES = 4 * 1024
/** How many steps the parser takes for one byte at worst (a long series of "<a/>"). */
const STEPS_PER_BYTE = 64

interface OpenElement {
  name: string
  children: OpenElement[]
  text: string
}

/** Parses a document that is known to be small, without interruption. Returns the root. Throws MalformedXML. */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  return finish(parsingXml(bytes, limits))
}

/** Parses a document and returns its root. Throws MalformedXML. */
export function* parsingXml(bytes: Uint8Array, limits: XmlLimits): Work<XmlElement> {
  if (bytes.length > limits.maxBytes) throw malformed('The XML is larger than allowed.')
  const meter = new Meter()
  const reader = new XmlReader(limits)
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES)
    reader.write(chunk)
    meter.take(chunk.length * STEPS_PER_BYTE)
    if (meter.isDue()) yield
  }
  return reader.end()
}

class XmlReader {
  // Without an error handler, saxes throws at the first error.
  readonly #parser = new SaxesParser({ xmlns: true })
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  readonly #limits: XmlLimits
  readonly #open: OpenElement[] = []
  #root: OpenElement | undefined
  #elements = 0
  #attributes = 0

  constructor(limits: XmlLimits) {
    this.#limits = limits
    const parser = this.#parser
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
    parser.on('attribute', () => {
      if (++this.#attributes > MAX_ATTRIBUTES)
        throw malformed('An element has too many attributes.')
    })
    parser.on('opentag', ({ local }) => this.#opened(local))
    parser.on('closetag', () => void this.#open.pop())
    const addText = (text: string): void => {
      const parent = this.#open.at(-1)
      if (parent !== undefined) parent.text += text
    }
    parser.on('text', addText)
    parser.on('cdata', addText)
  }

  write(chunk: Uint8Array): void {
    this.#guarded(() => this.#parser.write(this.#decoder.decode(chunk, { stream: true })))
  }

  end(): XmlElement {
    this.#guarded(() => this.#parser.write(this.#decoder.decode()).close())
    if (this.#root === undefined) throw malformed()
    return this.#root
  }

  #opened(name: string): void {
    const { maxDepth = MAX_DEPTH, maxElements } = this.#limits
    this.#attributes = 0
    if (++this.#elements > maxElements) throw malformed('The XML has too many elements.')
    if (this.#open.length >= maxDepth) throw malformed('The XML is nested too deeply.')
    const element: OpenElement = { name, children: [], text: '' }
    const parent = this.#open.at(-1)
    if (parent === undefined) this.#root = element
    else parent.children.push(element)
    this.#open.push(element)
  }

  #guarded(parse: () => void): void {
    try {
      parse()
    } catch (error) {
      if (error instanceof S3Error) throw error
      throw malformed(undefined, error)
    }
  }
}

function malformed(message?: string, cause?: unknown): S3Error {
  return new S3Error('MalformedXML', message, { cause })
}

/** The only child with this name; undefined when there is none. Throws MalformedXML when there are several. */
export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  let found: XmlElement | undefined
  for (const child of element.children) {
    if (child.name !== name) continue
    if (found !== undefined) throw malformed(`There is more than one ${name}.`)
    found = child
  }
  return found
}

/** The text of the only child with this name, which must have no children. Undefined when there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  const child = childOf(element, name)
  if (child === undefined) return undefined
  if (child.children.length > 0) throw malformed(`${name} must hold text only.`)
  return child.text
}

/** Throws MalformedXML unless all children have one of these names. */
export function refuseOtherChildren({ children }: XmlElement, known: readonly string[]): void {
  if (children.some(({ name }) => !known.includes(name))) throw malformed()
}
