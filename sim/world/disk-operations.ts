/** Operations of a disk that can fail, and how they fail. */

export const DISK_OPERATIONS = [
  'open',
  'read',
  'write',
  'flush',
  'truncate',
  'rename',
  'remove',
  'sync-directory',
  'space',
] as const

export type DiskOperation = (typeof DISK_OPERATIONS)[number]

export interface DiskPlace {
  readonly position: number
  readonly length: number
}

/** What a write does instead of what it should (F5). */
export type WriteLie = 'lost' | { readonly position: number }

export class DiskFailure extends Error {
  override readonly name = 'DiskFailure'
  readonly code: string

  constructor(code: string, path: string) {
    super(`${code}: ${path}`)
    this.code = code
  }
}
