/**
 * `shoal log inspect FILE`: prints the records of a segment and what is wrong with it. Changes
 * nothing, and needs no node: it also reads a segment that was copied elsewhere.
 */

import { existsSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { bytesOf, hex, textOfUtf8 } from '../../protocol/bytes.ts'
import { blockIndexOf, BLOCK_KEY_BYTES, dataIdOf } from '../../protocol/keyspace/block-key.ts'
import type { BlockKey, ByteString, RegisterKey } from '../../protocol/ids.ts'
import {
  bucketIdOf,
  objectKeyOf,
  PART_KEY_BYTES,
  partNumberOf,
  spaceOf,
  systemNameOf,
  uploadIdOf,
} from '../../protocol/keyspace/register-key.ts'
import { inspectSegment, type InspectedRecord } from '../log/inspect.ts'
import { readLogId } from '../log/open-segments.ts'
import { segmentOfName } from '../log/segment.ts'
import type { Damage } from '../log/types.ts'
import { createDisk } from '../env/disk.ts'
import { nameOfType, RECORD } from '../replica/record-types.ts'
import { UsageError } from '../tools/usage-error.ts'
import { printable, type Terminal } from './terminal.ts'

/** A badly damaged segment may have thousands. */
const PROBLEMS_SHOWN = 20

/**
 * Prints one line for each record and each damaged place, then a summary. Returns exit code 1 when
 * anything is wrong with the file. Throws UsageError when there is no such file.
 */
export async function runLogInspect(
  path: string,
  { json }: { readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const full = resolve(path)
  if (!existsSync(full)) throw new UsageError(`${path}: no such file`)
  const disk = createDisk(dirname(full))
  const name = basename(full)
  const file = await disk.open(name, 'read')
  try {
    if (!json)
      terminal.out(tableLine('OFFSET', 'SEQUENCE', 'TYPE', 'PART.', 'BODY', 'PAYLOAD', 'KEY'))
    const result = await inspectSegment({
      file,
      segment: segmentOfName(name),
      logId: await readLogId(disk, 'id'),
      record: (record) => terminal.out(json ? recordJson(record) : recordLine(record)),
      damage: (damage) => terminal.out(json ? damageJson(damage) : damageLine(damage)),
    })
    if (json) {
      terminal.out(JSON.stringify({ result }))
    } else {
      const { segment, records, batches, sizeBytes, sealed, problems, logId } = result
      terminal.out('')
      terminal.out(
        `segment ${segment} of log ${logId || '?'}: ${records} records in ${batches} batches, ` +
          `${sizeBytes} bytes, ${sealed ? 'sealed' : 'no footer: open, or ended by a crash'}`,
      )
      for (const problem of problems.slice(0, PROBLEMS_SHOWN)) terminal.out(`wrong: ${problem}`)
      if (problems.length > PROBLEMS_SHOWN) {
        terminal.out(`wrong: and ${problems.length - PROBLEMS_SHOWN} more`)
      }
      if (problems.length === 0) terminal.out('nothing is wrong with it')
    }
    return result.problems.length === 0 ? 0 : 1
  } finally {
    await file.close()
  }
}

/** Columns of fixed width, because the file is not read twice. A negative width aligns to the right. */
function tableLine(...cells: readonly string[]): string {
  const widths = [-12, -10, 12, -6, -8, -9]
  return cells
    .map((cell, at) => {
      const width = widths[at] ?? 0
      return width < 0 ? cell.padStart(-width) : cell.padEnd(width)
    })
    .join('  ')
    .trimEnd()
}

function recordLine({ header, position, isSound }: InspectedRecord): string {
  const { type, partition, key, sequence, bodyBytes, payloadBytes } = header
  return tableLine(
    String(position.offset),
    String(sequence),
    nameOfType(type) ?? `type ${type}?`,
    String(partition),
    String(bodyBytes),
    String(payloadBytes),
    `${isSound ? '' : 'BAD '}${printable(describeKey(type, key))}`,
  )
}

function damageLine({ offset, lengthBytes, identity }: Damage): string {
  const key =
    identity === undefined
      ? 'the key can not be read'
      : printable(describeKey(identity.type, identity.key))
  const type =
    identity === undefined ? '?' : (nameOfType(identity.type) ?? `type ${identity.type}?`)
  return tableLine(String(offset), '?', type, '?', '?', String(lengthBytes), `BAD ${key}`)
}

/** One JSON object: keys in hexadecimal, and as people read them in `shown`. */
function recordJson({ header, position, isSound }: InspectedRecord): string {
  const { type, partition, key, sequence, bodyBytes, payloadBytes, more } = header
  return JSON.stringify({
    ...position,
    sequence,
    type,
    name: nameOfType(type),
    partition,
    key: hex(bytesOf(key)),
    shown: describeKey(type, key),
    bodyBytes,
    payloadBytes,
    more,
    ok: isSound,
  })
}

function damageJson({ identity, ...place }: Damage): string {
  const whose = identity && {
    type: identity.type,
    name: nameOfType(identity.type),
    partition: identity.partition,
    key: hex(bytesOf(identity.key)),
    shown: describeKey(identity.type, identity.key),
  }
  return JSON.stringify({ ...place, ...whose, ok: false })
}

/**
 * A record's key for people: which register, block or segment it is about. In hexadecimal when it has
 * no readable form, as in a file that is damaged or from another program version.
 *
 * @param type the record's type, of replica/record-types.ts
 */
export function describeKey(type: number, key: ByteString): string {
  switch (type) {
    case RECORD.register:
    case RECORD.registerGone:
    case RECORD.registerDropped:
      return describeRegister(key as ByteString as RegisterKey)
    case RECORD.block:
    case RECORD.blockGone:
    case RECORD.blockDropped: {
      if (key.length !== BLOCK_KEY_BYTES) break
      const block = key as ByteString as BlockKey
      return `data ${hex(bytesOf(dataIdOf(block)))} block ${blockIndexOf(block)}`
    }
    case RECORD.minimum:
    case RECORD.minimumGone:
      return `bucket ${hex(bytesOf(key))}`
    case RECORD.duty:
    case RECORD.dutyDone:
      return `node ${key}`
    case RECORD.mark:
      return key
    case RECORD.compacted: {
      const number = Number.parseInt(hex(bytesOf(key)), 16)
      return number === 0 ? 'no segment' : `segment ${number}`
    }
    default:
  }
  return hex(bytesOf(key))
}

function describeRegister(key: RegisterKey): string {
  const space = key.length < 3 ? undefined : spaceOf(key)
  // A file from elsewhere may hold any key: what `partNumberOf` would assert is no fault of this program.
  const isShort = space === 'part' && key.length !== PART_KEY_BYTES
  if (space === undefined || isShort) return hex(bytesOf(key))
  const bucket = hex(bytesOf(bucketIdOf(key) ?? '')).slice(0, 8)
  if (space === 'object') return `object ${bucket}…/${text(objectKeyOf(key))}`
  if (space === 'part') {
    return `part ${bucket}… ${hex(bytesOf(uploadIdOf(key)))} ${partNumberOf(key)}`
  }
  if (space === 'upload') {
    return `upload ${bucket}…/${text(objectKeyOf(key))} ${hex(bytesOf(uploadIdOf(key)))}`
  }
  return `${space} ${text(systemNameOf(key))}`
}

/** UTF-8 where it is that, otherwise hexadecimal. */
function text(bytes: ByteString): string {
  try {
    return textOfUtf8(bytes)
  } catch {
    return hex(bytesOf(bytes))
  }
}
