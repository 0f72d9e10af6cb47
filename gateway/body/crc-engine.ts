/**
 * The inner loop of table-driven CRCs as a WebAssembly function, because JavaScript has no fast 64-bit
 * integers. It processes sixteen bytes a step with sixteen tables ("slicing by 16"), for reflected CRCs of up to
 * 64 bits. The module is assembled here, so that no build step is needed.
 *
 *   memory      [0, STAGE_BYTES)   the input, copied piece by piece
 *               [STAGE_BYTES, …)   tables, 32 KiB for each polynomial: table k is a byte followed by k zero bytes
 *   update(crc: i64, end: i32, tables: i32) → i64      processes memory[0, end)
 *
 * All users share one memory, because nothing is awaited between the copy and the call.
 */

const PAGE_BYTES = 65_536
const STAGE_BYTES = PAGE_BYTES
const TABLES = 16
const TABLE_BYTES = 256 * 8
const POLYNOMIALS_MAX = 2

type Update = (crc: bigint, end: number, tables: number) => bigint

/** The part of WebAssembly that is used here. Node's types do not include it. */
interface WebAssemblyApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => { buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, object>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> }
}

/** The WebAssembly instance: its function, and two views of its memory. */
interface Engine {
  readonly update: Update
  readonly memory: Uint8Array
  readonly words: BigUint64Array
}

let engine: Engine | undefined
let polynomials = 0

/** The function of one polynomial: returns the register after some bytes. */
export type CrcUpdate = (register: bigint, bytes: Uint8Array) => bigint

/** `polynomial` is reflected. Registers are unsigned and without the inversions at start and end. */
export function crcUpdate(polynomial: bigint): CrcUpdate {
  if (polynomials === POLYNOMIALS_MAX) throw new Error('no room for tables of another polynomial')
  const tables = STAGE_BYTES + TABLES * TABLE_BYTES * polynomials++
  engine ??= start()
  fillTables(engine.words.subarray(tables / 8, tables / 8 + TABLES * 256), polynomial)
  const { update, memory } = engine
  return (register, bytes) => {
    let crc = register
    for (let at = 0; at < bytes.length; at += STAGE_BYTES) {
      const piece =
        bytes.length <= STAGE_BYTES
          ? bytes
          : bytes.subarray(at, Math.min(at + STAGE_BYTES, bytes.length))
      memory.set(piece)
      crc = update(crc, piece.length, tables)
    }
    return BigInt.asUintN(64, crc)
  }
}

/** Table 0 is that of the plain algorithm; table k is what table k − 1 becomes after another zero byte. */
function fillTables(words: BigUint64Array, polynomial: bigint): void {
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
    words[byte] = crc
  }
  for (let at = 256; at < words.length; at++) {
    const before = words[at - 256] as bigint
    words[at] = (before >> 8n) ^ (words[Number(before & 255n)] as bigint)
  }
}

function start(): Engine {
  const pages = 1 + Math.ceil((TABLES * TABLE_BYTES * POLYNOMIALS_MAX) / PAGE_BYTES)
  const { Memory, Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
    .WebAssembly
  const memory = new Memory({ initial: pages, maximum: pages })
  const { exports } = new Instance(new Module(moduleBytes(pages)), { e: { m: memory } })
  return {
    update: exports['u'] as Update,
    memory: new Uint8Array(memory.buffer, 0, STAGE_BYTES),
    words: new BigUint64Array(memory.buffer),
  }
}

// Opcodes of the WebAssembly core specification, chapter 5.4.
const I32 = 0x7f
const I64 = 0x7e
const LOOP = 0x03
const BLOCK = 0x02
const VOID = 0x40
const BR = 0x0c
const BR_IF = 0x0d
const END = 0x0b
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const I32_CONST = 0x41
const I64_CONST = 0x42
const I64_LOAD = 0x29
const I64_LOAD8_U = 0x31
const I32_GE_U = 0x4f
const I32_GT_U = 0x4b
const I32_ADD = 0x6a
const I32_SHL = 0x74
const I32_AND = 0x71
const I32_WRAP_I64 = 0xa7
const I64_XOR = 0x85
const I64_SHR_U = 0x88

// The function's local variables, by index: its three parameters, the place in the input, two words of input.
const CRC = 0
const LIMIT = 1
const BASE = 2
const AT = 3
const FIRST = 4
const SECOND = 5

/** The module: one type, the imported memory `e.m`, one function, its export `u`, its code. */
function moduleBytes(pages: number): Uint8Array<ArrayBuffer> {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text, 'latin1')]
  const locals = [2, 1, I32, 2, I64]
  const body = [locals, stepLoop(), byteLoop(), [LOCAL_GET, CRC, END]].flat()
  const sections = [
    section(1, [1, 0x60, 3, I64, I32, I32, 1, I64]),
    section(2, [1, ...name('e'), ...name('m'), 2, 1, pages, pages]),
    section(3, [1, 0]),
    section(7, [1, ...name('u'), 0, 0]),
    section(10, [1, ...leb(body.length), ...body]),
  ]
  const magic = [0x00, 0x61, 0x73, 0x6d]
  const version = [1, 0, 0, 0]
  return Uint8Array.from([magic, version, ...sections].flat())
}

/** Sixteen bytes an iteration, while at least as many are left. */
function stepLoop(): number[] {
  const turn = [
    [LOCAL_GET, AT, I64_LOAD, 0, 0, LOCAL_GET, CRC, I64_XOR, LOCAL_SET, FIRST],
    [LOCAL_GET, AT, I64_LOAD, 0, 8, LOCAL_SET, SECOND],
  ]
  // The bytes of the second word come first, because they do not depend on the iteration before. Pairs are
  // combined as a tree.
  const order = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
  for (const [index, byte] of order.entries()) {
    turn.push(lookup(byte < 8 ? FIRST : SECOND, (byte % 8) * 8, TABLES - 1 - byte))
    for (let done = index + 1; done % 2 === 0; done /= 2) turn.push([I64_XOR])
  }
  turn.push([LOCAL_SET, CRC])
  const isOver = [LOCAL_GET, AT, I32_CONST, 16, I32_ADD, LOCAL_GET, LIMIT, I32_GT_U]
  return loopUntil(isOver, turn.flat(), 16)
}

/** The remaining bytes, one by one. */
function byteLoop(): number[] {
  const turn = [
    [LOCAL_GET, AT, I64_LOAD8_U, 0, 0, LOCAL_GET, CRC, I64_XOR, LOCAL_SET, FIRST],
    lookup(FIRST, 0, 0),
    [LOCAL_GET, CRC, I64_CONST, 8, I64_SHR_U, I64_XOR, LOCAL_SET, CRC],
  ]
  return loopUntil([LOCAL_GET, AT, LOCAL_GET, LIMIT, I32_GE_U], turn.flat(), 1)
}

/** A loop that leaves when `isOver` is true, and otherwise runs `turn` and moves `AT` by `step`. */
function loopUntil(isOver: readonly number[], turn: readonly number[], step: number): number[] {
  const ahead = [LOCAL_GET, AT, I32_CONST, step, I32_ADD, LOCAL_SET, AT]
  return [BLOCK, VOID, LOOP, VOID, ...isOver, BR_IF, 1, ...turn, ...ahead, BR, 0, END, END]
}

/** Pushes tables[table][(word >> shift) & 255]. Entries have eight bytes, so the shift is three bits less. */
function lookup(word: number, shift: number, table: number): number[] {
  const times8 =
    shift === 0
      ? [I32_WRAP_I64, I32_CONST, 3, I32_SHL]
      : [I64_CONST, ...signedLeb(shift - 3), I64_SHR_U, I32_WRAP_I64]
  const index = [LOCAL_GET, word, ...times8, I32_CONST, ...signedLeb(255 * 8), I32_AND]
  return [...index, LOCAL_GET, BASE, I32_ADD, I64_LOAD, 3, ...leb(table * TABLE_BYTES)]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content]
}

/** LEB128, unsigned: seven bits a byte, the low ones first. */
function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

/** Encodes a value that is not negative, with one more byte where the last one would look negative. */
function signedLeb(value: number): number[] {
  const bytes = leb(value)
  const last = bytes.at(-1) as number
  return last < 64 ? bytes : [...bytes.slice(0, -1), last | 128, 0]
}
