/**
 * Finds the headers of yamux's frames in a stream of bytes, as soon as they are whole and before their data has come.
 *
 *   version u8 | type u8 | flags u16 | stream u32 | length u32 | data, in frames of type 0 only
 *
 * https://github.com/hashicorp/yamux/blob/master/spec.md
 */

const HEADER_BYTES = 12

export const YamuxType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const
export const YamuxFlag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const

export interface YamuxHeader {
  readonly type: number
  readonly flags: number
  readonly stream: number
  /** Bytes of data. Other types use the field in their own way. */
  readonly length: number
}

/** One for each connection, fed with all bytes that come on it. */
export class YamuxHeaders {
  readonly #header = new Uint8Array(HEADER_BYTES)
  readonly #view = new DataView(this.#header.buffer)
  #filled = 0
  #dataLeft = 0

  /** Calls `visit` for each header that `chunk` completes, in order. Data is skipped, and never kept. */
  push(chunk: Uint8Array, visit: (header: YamuxHeader) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#dataLeft > 0) {
        const skipped = Math.min(this.#dataLeft, chunk.length - at)
        this.#dataLeft -= skipped
        at += skipped
        continue
      }
      const part = chunk.subarray(at, at + HEADER_BYTES - this.#filled)
      this.#header.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < HEADER_BYTES) return
      this.#filled = 0
      const header = this.#decode()
      if (header.type === YamuxType.data) this.#dataLeft = header.length
      visit(header)
    }
  }

  #decode(): YamuxHeader {
    return {
      type: this.#header[1]!,
      flags: this.#view.getUint16(2),
      stream: this.#view.getUint32(4),
      length: this.#view.getUint32(8),
    }
  }
}
