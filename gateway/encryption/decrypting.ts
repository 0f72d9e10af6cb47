/**
 * Objects on their way out of the store: whole pieces are read, checked and decrypted, and what was asked for is cut out of
 * them. No byte of a piece is passed on before its tag has been checked.
 */

import { createDecipheriv, type DecipherGCM } from 'node:crypto'
import { StoreError } from '../../protocol/errors.ts'
import {
  isStoredSize,
  PIECE_BYTES,
  PIECE_PLAIN_BYTES,
  plainSizeOf,
  TAG_BYTES,
} from '../../protocol/object/pieces.ts'
import type { EncryptedBody } from '../port/encryption.ts'
import type { ObjectReader } from '../port/objects.ts'
import { pieceKey, pieceNonce } from './encrypting.ts'
import { release } from './release.ts'

/** A piece that is read, and which of its plain bytes were asked for. */
interface WantedPiece {
  readonly body: EncryptedBody
  readonly index: number
  readonly storedBytes: number
  readonly from: number
  readonly to: number
}

/** Where the wanted pieces lie in the stored bytes of all bodies together. */
interface StoredRange {
  readonly start: number
  readonly end: number
  readonly pieces: readonly WantedPiece[]
}

/** The reader of an object that is encrypted with `dataKey`: the plain bytes. Its `info` is the same. */
export function decryptedReader(reader: ObjectReader, dataKey: Uint8Array): ObjectReader {
  const { info, versioned, bytes } = reader
  const bodies = info.encryption?.bodies ?? []
  const read = (start: number, end: number): AsyncIterable<Uint8Array> =>
    decryptedRange(reader, bodies, dataKey, start, end)
  if (bytes === undefined || info.sizeBytes === 0) return { info, versioned, read, bytes }
  const decryption = new PieceDecryption(dataKey, piecesOf(bodies, 0, info.sizeBytes).pieces, false)
  const plain = Buffer.concat([...decryption.update(bytes)])
  decryption.end()
  return { info, versioned, read, bytes: plain }
}

async function* decryptedRange(
  reader: ObjectReader,
  bodies: readonly EncryptedBody[],
  dataKey: Uint8Array,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  const wanted = piecesOf(bodies, start, end)
  const decryption = new PieceDecryption(dataKey, wanted.pieces, true)
  for await (const chunk of reader.read(wanted.start, wanted.end)) yield* decryption.update(chunk)
  decryption.end()
}

/**
 * The pieces that have the plain bytes [start, end), and the last one of each body that is wanted up to its end: it shows
 * that nothing was cut off. Their stored bytes lie one behind the other. Throws DataLost for a size that no body has.
 */
function piecesOf(bodies: readonly EncryptedBody[], start: number, end: number): StoredRange {
  const pieces: WantedPiece[] = []
  let plainBase = 0
  let storedBase = 0
  let storedStart = 0
  let storedEnd = 0
  for (const body of bodies) {
    const { storedBytes } = body
    if (!isStoredSize(storedBytes)) throw damaged()
    const plainBytes = plainSizeOf(storedBytes)
    const from = Math.max(start - plainBase, 0)
    const to = Math.min(end - plainBase, plainBytes)
    for (const piece of from < to ? piecesOfBody(body, from, to) : []) {
      const storedAt = storedBase + piece.index * PIECE_BYTES
      if (pieces.length === 0) storedStart = storedAt
      storedEnd = storedAt + piece.storedBytes
      pieces.push(piece)
    }
    plainBase += plainBytes
    storedBase += storedBytes
  }
  if (end > plainBase) throw damaged()
  return { start: storedStart, end: storedEnd, pieces }
}

function* piecesOfBody(body: EncryptedBody, from: number, to: number): Generator<WantedPiece> {
  const { storedBytes } = body
  const toEnd = to === plainSizeOf(storedBytes)
  const last = Math.floor(
    (toEnd ? storedBytes - 1 : to - 1) / (toEnd ? PIECE_BYTES : PIECE_PLAIN_BYTES),
  )
  for (let index = Math.floor(from / PIECE_PLAIN_BYTES); index <= last; index++) {
    const start = index * PIECE_PLAIN_BYTES
    const size = Math.min(PIECE_BYTES, storedBytes - index * PIECE_BYTES)
    const stop = Math.min(to - start, size - TAG_BYTES)
    yield { body, index, storedBytes: size, from: Math.max(from - start, 0), to: stop }
  }
}

/** Decrypts the stored bytes of some pieces, in whatever chunks they come. */
class PieceDecryption {
  readonly #dataKey: Uint8Array
  readonly #pieces: readonly WantedPiece[]
  readonly #releases: boolean
  /** Of the body of the present piece. */
  #key: Uint8Array | undefined
  #keyOf: EncryptedBody | undefined
  #decipher: DecipherGCM | undefined
  /** Decrypted parts of the present piece, whose tag is not known yet. */
  #held: Uint8Array[] = []
  readonly #tag = new Uint8Array(TAG_BYTES)
  #taken = 0
  #next = 0

  /** `releases`: what was yielded is valid until the next part is asked for. */
  constructor(dataKey: Uint8Array, pieces: readonly WantedPiece[], releases: boolean) {
    this.#dataKey = dataKey
    this.#pieces = pieces
    this.#releases = releases
  }

  /** Takes some stored bytes, and yields the wanted plain bytes of each piece that ends in them. */
  *update(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length;) {
      const piece = this.#pieces[this.#next]
      if (piece === undefined) throw damaged()
      this.#decipher ??= this.#begin(piece)
      const textBytes = piece.storedBytes - TAG_BYTES
      if (this.#taken < textBytes) {
        const count = Math.min(textBytes - this.#taken, chunk.length - at)
        this.#held.push(this.#decipher.update(chunk.subarray(at, at + count)))
        this.#taken += count
        at += count
      }
      if (this.#taken >= textBytes) {
        const count = Math.min(piece.storedBytes - this.#taken, chunk.length - at)
        this.#tag.set(chunk.subarray(at, at + count), this.#taken - textBytes)
        this.#taken += count
        at += count
      }
      if (this.#taken === piece.storedBytes) yield* this.#checked(piece, this.#decipher)
    }
  }

  /** Throws when bytes are missing. */
  end(): void {
    if (this.#next !== this.#pieces.length) throw damaged()
  }

  #begin(piece: WantedPiece): DecipherGCM {
    if (this.#key === undefined || this.#keyOf !== piece.body) {
      this.#keyOf = piece.body
      this.#key = pieceKey(this.#dataKey, piece.body.salt)
    }
    return createDecipheriv('aes-256-gcm', this.#key, pieceNonce(piece.index), {
      authTagLength: TAG_BYTES,
    })
  }

  /** Ends a piece: its tag is checked before anything of it is passed on. */
  *#checked({ from, to }: WantedPiece, decipher: DecipherGCM): Generator<Uint8Array> {
    decipher.setAuthTag(this.#tag)
    try {
      decipher.final()
    } catch {
      throw damaged()
    }
    const held = this.#held
    this.#held = []
    this.#decipher = undefined
    this.#taken = 0
    this.#next++
    let base = 0
    for (const part of held) {
      const start = Math.max(from - base, 0)
      const stop = Math.min(to - base, part.length)
      base += part.length
      if (start < stop) yield part.subarray(start, stop)
      if (this.#releases) release(part)
    }
  }
}

function damaged(): StoreError {
  return new StoreError('DataLost', 'Encrypted data does not match its key or its tag.')
}
