/** Operations whose failure leaves it unknown what the disk holds (D5). */

import { errorCode, isNoSpace } from './errors.ts'

/** Such an operation has failed, whatever the code of the cause. */
export class UntrustedDisk extends Error {
  override readonly name = 'UntrustedDisk'
}

/** For flushes of files and directories: any failure becomes UntrustedDisk. */
export async function trusted(operation: Promise<void>): Promise<void> {
  try {
    await operation
  } catch (error) {
    throw new UntrustedDisk(String(error), { cause: error })
  }
}

/** The write did not happen, and flushed data is untouched: the disk is full, or takes no writes. */
export function isLogRefusal(error: unknown): boolean {
  if (error instanceof UntrustedDisk) return false
  return isNoSpace(error) || errorCode(error) === 'EROFS'
}

/** For a `catch`: a refused write is no failure here. */
export function unlessRefused(error: unknown): void {
  if (!isLogRefusal(error)) throw error
}
