/** Operations after whose failure nobody knows what the disk holds (D5). */

import { errorCode, isNoSpace } from './errors.ts'

/** Whatever the code of its cause. */
export class UntrustedDisk extends Error {
  override readonly name = 'UntrustedDisk'
}

export async function trusted(operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    throw new UntrustedDisk(String(error), { cause: error })
  }
}

/** The write did not happen, and what was flushed before is as it was: no room, or no writes at all. */
export function isLogRefusal(error: unknown): boolean {
  if (error instanceof UntrustedDisk) return false
  return isNoSpace(error) || errorCode(error) === 'EROFS'
}

/** For what need not happen now. */
export function unlessRefused(error: unknown): void {
  if (!isLogRefusal(error)) throw error
}
