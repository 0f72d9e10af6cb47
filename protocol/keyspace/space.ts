/**
 * The one table of spaces: the byte behind the partition in a register's key. A retired byte is
 * never used again, because old logs may still hold it.
 */

export const SPACES = {
  object: 0x01,
  upload: 0x02,
  part: 0x03,
  bucket: 0x10,
  account: 0x11,
  user: 0x12,
  'access-key': 0x13,
  group: 0x14,
  policy: 0x15,
  role: 0x16,
  session: 0x17,
  'identity-provider': 0x18,
  setting: 0x19,
} as const

export type KeySpace = keyof typeof SPACES
/** Spaces whose registers lie in the partition of an object's shard. */
export type ObjectSpace = 'object' | 'upload' | 'part'
/** Spaces whose registers lie in a partition of their own name. */
export type SystemKind = Exclude<KeySpace, ObjectSpace>

const names = new Map<number, KeySpace>(
  Object.entries(SPACES).map(([name, byte]) => [byte, name as KeySpace]),
)

/** Undefined for a byte that this program version does not know. */
export function spaceOfByte(byte: number): KeySpace | undefined {
  return names.get(byte)
}
