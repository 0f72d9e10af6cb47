/** The name of a register in texts for people. */

import { bytesOf, hex, textOfUtf8 } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import {
  objectKeyOf,
  partNumberOf,
  spaceOf,
  uploadIdOf,
} from '../../protocol/keyspace/register-key.ts'

/** The key of an object. For a part, whose register does not know its object: the upload and the part number. */
export function lostName(register: RegisterKey): string {
  if (spaceOf(register) !== 'part') return textOfUtf8(objectKeyOf(register))
  return `(part ${partNumberOf(register)} of upload ${hex(bytesOf(uploadIdOf(register)))})`
}
