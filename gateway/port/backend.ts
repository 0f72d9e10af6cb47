/**
 * The port through which the gateway sees storage. node/ implements it on registers and blocks;
 * gateway/memory/memory-backend.ts in memory, for tests. Each family of operations has a file of its own; what the
 * admin port needs is in admin.ts, the actions of IAM and STS in iam-backend.ts.
 *
 * Names and keys are JavaScript strings, exactly as the client sent them (valid UTF-8, 1 to 1,024 bytes).
 * Listings are in the order of UTF-8 bytes. Every failure that is not a bug is a StoreError
 * (protocol/errors.ts). Every method is linearizable for each key (docs/correctness.md 7).
 */

import type { BucketBackend } from './buckets.ts'
import type { KeyBackend } from './encryption.ts'
import type { CredentialBackend } from './identity.ts'
import type { ObjectBackend } from './objects.ts'
import type { PrincipalDirectory } from './principals.ts'
import type { UploadBackend } from './uploads.ts'
import type { VersionBackend } from './versions.ts'

export interface Backend
  extends
    CredentialBackend,
    PrincipalDirectory,
    BucketBackend,
    ObjectBackend,
    VersionBackend,
    UploadBackend,
    KeyBackend {}
