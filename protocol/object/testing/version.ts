/** A version for tests: everything empty or zero but what a test cares about. */

import type { VersionRecord } from '../../codec/versioned.ts'

export function testVersion(fields: Partial<VersionRecord> = {}): VersionRecord {
  return {
    versionId: '',
    deleteMarker: false,
    sizeBytes: 0,
    etag: '',
    lastModifiedMs: 0,
    storageClass: '',
    system: [],
    user: [],
    checksums: [],
    checksumType: 0,
    storage: [],
    manifest: new Uint8Array(0),
    uploadId: new Uint8Array(0),
    sequence: 0,
    ...fields,
  }
}
