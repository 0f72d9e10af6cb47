/**
 * Text functions for the parts of a request.
 *
 * Node shows the bytes of a header as latin1, so half of a UTF-8 character may look like a space
 * (0x85, 0xA0) or like a letter that has another case (0xC3). JavaScript's `trim`, `\s`, `toLowerCase` and
 * `Number` would change or accept such bytes. These functions know only ASCII and leave every other byte
 * unchanged. A test of the repository (sim/repository.test.ts) keeps JavaScript's functions out of the gateway.
 */

/** Without spaces and tabs at both ends: the optional white space of HTTP (RFC 9110, 5.6.3). */
export function trim(text: string): string {
  return without(isBlank, text)
}

/** Without the white space of XML at both ends: spaces, tabs, CR and LF. */
export function trimXml(text: string): string
export function trimXml(text: string | undefined): string | undefined
export function trimXml(text: string | undefined): string | undefined {
  return text === undefined ? undefined : without(isXmlSpace, text)
}

function without(unwanted: (code: number) => boolean, text: string): string {
  let start = 0
  let end = text.length
  while (start < end && unwanted(text.charCodeAt(start))) start++
  while (end > start && unwanted(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function isXmlSpace(code: number): boolean {
  return isBlank(code) || code === 0x0d || code === 0x0a
}

/** In ASCII alone, JavaScript's functions do the same and cost a fifth. */
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/

/** A to Z become a to z. */
export function lowerCase(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** a to z become A to Z. */
export function upperCase(text: string): string {
  if (ASCII.test(text)) return text.toUpperCase()
  return text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
}

/** The members of a comma-separated list (RFC 9110, 5.6.1). Empty members do not count. */
export function listMembers(text: string): string[] {
  return text.split(',').map(trim).filter(isNotEmpty)
}

function isNotEmpty(text: string): boolean {
  return text !== ''
}

/** The value of one to `digits` decimal digits and nothing else. */
export function decimal(text: string, digits = 15): number | undefined {
  return text.length <= digits && /^[0-9]+$/.test(text) ? Number(text) : undefined
}
