/**
 * JSON for documents that decide about rights: like JSON.parse, but a name that occurs twice in an object is an error
 * (which of two "Effect" counts must not depend on the reader), depth is bounded, objects have no prototype, and an
 * error says where it is.
 */

/** What a document can consist of. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** An object without a prototype, so that no name such as `constructor` is found by accident. */
export interface JsonObject {
  readonly [name: string]: Json
}

/** The text is no JSON in this sense. The message says what is wrong, at which line and column. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
}

/** More levels than any policy has, so that the reader's own stack is bounded. */
const DEPTH_MAX = 10

/**
 * Reads one value, which must be the whole text. The caller bounds the length of the text. Throws
 * JsonError.
 */
export function parseStrictJson(text: string): Json {
  const reader = new Reader(text)
  const value = reader.value(0)
  reader.end()
  return value
}

/** Reads from left to right, once. `#at` is the next character. */
class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Json {
    if (depth > DEPTH_MAX) throw this.#error(`more than ${DEPTH_MAX} levels`)
    this.#space()
    const char = this.#text[this.#at]
    if (char === '{') return this.#object(depth)
    if (char === '[') return this.#list(depth)
    if (char === '"') return this.#string()
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    const number = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)
    if (number === undefined) throw this.#error('no value')
    return Number(number)
  }

  end(): void {
    this.#space()
    if (this.#at < this.#text.length) throw this.#error('text after the end')
  }

  #object(depth: number): JsonObject {
    const object: Record<string, Json> = Object.create(null)
    this.#at++
    if (this.#taken('}')) return object
    for (;;) {
      this.#space()
      if (this.#text[this.#at] !== '"') throw this.#error('a name is missing')
      const name = this.#string()
      if (name in object) throw this.#error(`"${name.slice(0, 40)}" occurs twice`)
      if (!this.#taken(':')) throw this.#error('":" is missing')
      object[name] = this.value(depth + 1)
      if (this.#taken('}')) return object
      if (!this.#taken(',')) throw this.#error('"," or "}" is missing')
    }
  }

  #list(depth: number): Json[] {
    const list: Json[] = []
    this.#at++
    if (this.#taken(']')) return list
    for (;;) {
      list.push(this.value(depth + 1))
      if (this.#taken(']')) return list
      if (!this.#taken(',')) throw this.#error('"," or "]" is missing')
    }
  }

  /** Finds the closing quote, then lets JSON.parse read the escapes. */
  #string(): string {
    let end = this.#at + 1
    while (end < this.#text.length && this.#text[end] !== '"')
      end += this.#text[end] === '\\' ? 2 : 1
    const source = this.#text.slice(this.#at, end + 1)
    let value: unknown
    try {
      value = JSON.parse(source)
    } catch {
      throw this.#error('a string is not well formed')
    }
    this.#at = end + 1
    return value as string
  }

  /** Takes the character if it comes next, after white space. */
  #taken(char: string): boolean {
    this.#space()
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #space(): void {
    this.#match(/[ \t\r\n]*/y)
  }

  #match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #error(problem: string): JsonError {
    const before = this.#text.slice(0, this.#at).split('\n')
    return new JsonError(
      `${problem} at line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`,
    )
  }
}
