/** A version for tests: everything empty or zero but what a test cares about. */

import type { VersionRecord } from '../../codec/versioned.ts'
import { EMPTY_VERSION } from '../versions.ts'

export function testVersion(fields: Partial<VersionRecord> = {}): VersionRecord {
  return { ...EMPTY_VERSION, ...fields }
}
