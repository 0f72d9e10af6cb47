import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'
export interface PairRecord {
  name: string
  value: string
}
export declare namespace PairRecord {
  const codec: () => Codec<PairRecord>
  interface PairRecordNameFieldEvent {
    field: '$.name'
    value: string
  }
  interface PairRecordValueFieldEvent {
    field: '$.value'
    value: string
  }
  function encode(obj: Partial<PairRecord>): Uint8Array<ArrayBuffer>
  function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PairRecord>): PairRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<PairRecord>,
  ): Generator<PairRecordNameFieldEvent | PairRecordValueFieldEvent>
}
export interface StorageRecord {
  dataId: Uint8Array<ArrayBuffer>
  sizeBytes: number
  packed: boolean
}
export declare namespace StorageRecord {
  const codec: () => Codec<StorageRecord>
  interface StorageRecordDataIdFieldEvent {
    field: '$.dataId'
    value: Uint8Array<ArrayBuffer>
  }
  interface StorageRecordSizeBytesFieldEvent {
    field: '$.sizeBytes'
    value: number
  }
  interface StorageRecordPackedFieldEvent {
    field: '$.packed'
    value: boolean
  }
  function encode(obj: Partial<StorageRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<StorageRecord>,
  ): StorageRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<StorageRecord>,
  ): Generator<
    StorageRecordDataIdFieldEvent | StorageRecordSizeBytesFieldEvent | StorageRecordPackedFieldEvent
  >
}
export interface VersionRecord {
  versionId: string
  deleteMarker: boolean
  sizeBytes: number
  etag: string
  lastModifiedMs: number
  storageClass: string
  system: PairRecord[]
  user: PairRecord[]
  checksums: PairRecord[]
  checksumType: number
  storage: StorageRecord[]
  manifest: Uint8Array<ArrayBuffer>
  uploadId: Uint8Array<ArrayBuffer>
}
export declare namespace VersionRecord {
  const codec: () => Codec<VersionRecord>
  interface VersionRecordVersionIdFieldEvent {
    field: '$.versionId'
    value: string
  }
  interface VersionRecordDeleteMarkerFieldEvent {
    field: '$.deleteMarker'
    value: boolean
  }
  interface VersionRecordSizeBytesFieldEvent {
    field: '$.sizeBytes'
    value: number
  }
  interface VersionRecordEtagFieldEvent {
    field: '$.etag'
    value: string
  }
  interface VersionRecordLastModifiedMsFieldEvent {
    field: '$.lastModifiedMs'
    value: number
  }
  interface VersionRecordStorageClassFieldEvent {
    field: '$.storageClass'
    value: string
  }
  interface VersionRecordSystemNameFieldEvent {
    field: '$.system[].name'
    value: string
    index: number
  }
  interface VersionRecordSystemValueFieldEvent {
    field: '$.system[].value'
    value: string
    index: number
  }
  interface VersionRecordUserNameFieldEvent {
    field: '$.user[].name'
    value: string
    index: number
  }
  interface VersionRecordUserValueFieldEvent {
    field: '$.user[].value'
    value: string
    index: number
  }
  interface VersionRecordChecksumsNameFieldEvent {
    field: '$.checksums[].name'
    value: string
    index: number
  }
  interface VersionRecordChecksumsValueFieldEvent {
    field: '$.checksums[].value'
    value: string
    index: number
  }
  interface VersionRecordChecksumTypeFieldEvent {
    field: '$.checksumType'
    value: number
  }
  interface VersionRecordStorageDataIdFieldEvent {
    field: '$.storage[].dataId'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface VersionRecordStorageSizeBytesFieldEvent {
    field: '$.storage[].sizeBytes'
    value: number
    index: number
  }
  interface VersionRecordStoragePackedFieldEvent {
    field: '$.storage[].packed'
    value: boolean
    index: number
  }
  interface VersionRecordManifestFieldEvent {
    field: '$.manifest'
    value: Uint8Array<ArrayBuffer>
  }
  interface VersionRecordUploadIdFieldEvent {
    field: '$.uploadId'
    value: Uint8Array<ArrayBuffer>
  }
  function encode(obj: Partial<VersionRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<VersionRecord>,
  ): VersionRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<VersionRecord>,
  ): Generator<
    | VersionRecordVersionIdFieldEvent
    | VersionRecordDeleteMarkerFieldEvent
    | VersionRecordSizeBytesFieldEvent
    | VersionRecordEtagFieldEvent
    | VersionRecordLastModifiedMsFieldEvent
    | VersionRecordStorageClassFieldEvent
    | VersionRecordSystemNameFieldEvent
    | VersionRecordSystemValueFieldEvent
    | VersionRecordUserNameFieldEvent
    | VersionRecordUserValueFieldEvent
    | VersionRecordChecksumsNameFieldEvent
    | VersionRecordChecksumsValueFieldEvent
    | VersionRecordChecksumTypeFieldEvent
    | VersionRecordStorageDataIdFieldEvent
    | VersionRecordStorageSizeBytesFieldEvent
    | VersionRecordStoragePackedFieldEvent
    | VersionRecordManifestFieldEvent
    | VersionRecordUploadIdFieldEvent
  >
}
export interface ObjectRecord {
  sequence: number
  versions: VersionRecord[]
  uploads: Uint8Array<ArrayBuffer>[]
}
export declare namespace ObjectRecord {
  const codec: () => Codec<ObjectRecord>
  interface ObjectRecordSequenceFieldEvent {
    field: '$.sequence'
    value: number
  }
  interface ObjectRecordVersionsVersionIdFieldEvent {
    field: '$.versions[].versionId'
    value: string
    index: number
  }
  interface ObjectRecordVersionsDeleteMarkerFieldEvent {
    field: '$.versions[].deleteMarker'
    value: boolean
    index: number
  }
  interface ObjectRecordVersionsSizeBytesFieldEvent {
    field: '$.versions[].sizeBytes'
    value: number
    index: number
  }
  interface ObjectRecordVersionsEtagFieldEvent {
    field: '$.versions[].etag'
    value: string
    index: number
  }
  interface ObjectRecordVersionsLastModifiedMsFieldEvent {
    field: '$.versions[].lastModifiedMs'
    value: number
    index: number
  }
  interface ObjectRecordVersionsStorageClassFieldEvent {
    field: '$.versions[].storageClass'
    value: string
    index: number
  }
  interface ObjectRecordVersionsSystemNameFieldEvent {
    field: '$.versions[].system[].name'
    value: string
    index: number
  }
  interface ObjectRecordVersionsSystemValueFieldEvent {
    field: '$.versions[].system[].value'
    value: string
    index: number
  }
  interface ObjectRecordVersionsUserNameFieldEvent {
    field: '$.versions[].user[].name'
    value: string
    index: number
  }
  interface ObjectRecordVersionsUserValueFieldEvent {
    field: '$.versions[].user[].value'
    value: string
    index: number
  }
  interface ObjectRecordVersionsChecksumsNameFieldEvent {
    field: '$.versions[].checksums[].name'
    value: string
    index: number
  }
  interface ObjectRecordVersionsChecksumsValueFieldEvent {
    field: '$.versions[].checksums[].value'
    value: string
    index: number
  }
  interface ObjectRecordVersionsChecksumTypeFieldEvent {
    field: '$.versions[].checksumType'
    value: number
    index: number
  }
  interface ObjectRecordVersionsStorageDataIdFieldEvent {
    field: '$.versions[].storage[].dataId'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface ObjectRecordVersionsStorageSizeBytesFieldEvent {
    field: '$.versions[].storage[].sizeBytes'
    value: number
    index: number
  }
  interface ObjectRecordVersionsStoragePackedFieldEvent {
    field: '$.versions[].storage[].packed'
    value: boolean
    index: number
  }
  interface ObjectRecordVersionsManifestFieldEvent {
    field: '$.versions[].manifest'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface ObjectRecordVersionsUploadIdFieldEvent {
    field: '$.versions[].uploadId'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface ObjectRecordUploadsFieldEvent {
    field: '$.uploads[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }
  function encode(obj: Partial<ObjectRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<ObjectRecord>,
  ): ObjectRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<ObjectRecord>,
  ): Generator<
    | ObjectRecordSequenceFieldEvent
    | ObjectRecordVersionsVersionIdFieldEvent
    | ObjectRecordVersionsDeleteMarkerFieldEvent
    | ObjectRecordVersionsSizeBytesFieldEvent
    | ObjectRecordVersionsEtagFieldEvent
    | ObjectRecordVersionsLastModifiedMsFieldEvent
    | ObjectRecordVersionsStorageClassFieldEvent
    | ObjectRecordVersionsSystemNameFieldEvent
    | ObjectRecordVersionsSystemValueFieldEvent
    | ObjectRecordVersionsUserNameFieldEvent
    | ObjectRecordVersionsUserValueFieldEvent
    | ObjectRecordVersionsChecksumsNameFieldEvent
    | ObjectRecordVersionsChecksumsValueFieldEvent
    | ObjectRecordVersionsChecksumTypeFieldEvent
    | ObjectRecordVersionsStorageDataIdFieldEvent
    | ObjectRecordVersionsStorageSizeBytesFieldEvent
    | ObjectRecordVersionsStoragePackedFieldEvent
    | ObjectRecordVersionsManifestFieldEvent
    | ObjectRecordVersionsUploadIdFieldEvent
    | ObjectRecordUploadsFieldEvent
  >
}
export interface ManifestRecord {
  storage: StorageRecord[]
}
export declare namespace ManifestRecord {
  const codec: () => Codec<ManifestRecord>
  interface ManifestRecordStorageDataIdFieldEvent {
    field: '$.storage[].dataId'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface ManifestRecordStorageSizeBytesFieldEvent {
    field: '$.storage[].sizeBytes'
    value: number
    index: number
  }
  interface ManifestRecordStoragePackedFieldEvent {
    field: '$.storage[].packed'
    value: boolean
    index: number
  }
  function encode(obj: Partial<ManifestRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<ManifestRecord>,
  ): ManifestRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<ManifestRecord>,
  ): Generator<
    | ManifestRecordStorageDataIdFieldEvent
    | ManifestRecordStorageSizeBytesFieldEvent
    | ManifestRecordStoragePackedFieldEvent
  >
}
export interface BucketRecord {
  name: string
  incarnation: Uint8Array<ArrayBuffer>
  generation: number
  state: number
  ownerAccount: string
  createdMs: number
  region: string
  shards: number
}
export declare namespace BucketRecord {
  const codec: () => Codec<BucketRecord>
  interface BucketRecordNameFieldEvent {
    field: '$.name'
    value: string
  }
  interface BucketRecordIncarnationFieldEvent {
    field: '$.incarnation'
    value: Uint8Array<ArrayBuffer>
  }
  interface BucketRecordGenerationFieldEvent {
    field: '$.generation'
    value: number
  }
  interface BucketRecordStateFieldEvent {
    field: '$.state'
    value: number
  }
  interface BucketRecordOwnerAccountFieldEvent {
    field: '$.ownerAccount'
    value: string
  }
  interface BucketRecordCreatedMsFieldEvent {
    field: '$.createdMs'
    value: number
  }
  interface BucketRecordRegionFieldEvent {
    field: '$.region'
    value: string
  }
  interface BucketRecordShardsFieldEvent {
    field: '$.shards'
    value: number
  }
  function encode(obj: Partial<BucketRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<BucketRecord>,
  ): BucketRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<BucketRecord>,
  ): Generator<
    | BucketRecordNameFieldEvent
    | BucketRecordIncarnationFieldEvent
    | BucketRecordGenerationFieldEvent
    | BucketRecordStateFieldEvent
    | BucketRecordOwnerAccountFieldEvent
    | BucketRecordCreatedMsFieldEvent
    | BucketRecordRegionFieldEvent
    | BucketRecordShardsFieldEvent
  >
}
export interface AccountBucketRecord {
  name: string
  incarnation: Uint8Array<ArrayBuffer>
  live: boolean
  createdMs: number
}
export declare namespace AccountBucketRecord {
  const codec: () => Codec<AccountBucketRecord>
  interface AccountBucketRecordNameFieldEvent {
    field: '$.name'
    value: string
  }
  interface AccountBucketRecordIncarnationFieldEvent {
    field: '$.incarnation'
    value: Uint8Array<ArrayBuffer>
  }
  interface AccountBucketRecordLiveFieldEvent {
    field: '$.live'
    value: boolean
  }
  interface AccountBucketRecordCreatedMsFieldEvent {
    field: '$.createdMs'
    value: number
  }
  function encode(obj: Partial<AccountBucketRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<AccountBucketRecord>,
  ): AccountBucketRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<AccountBucketRecord>,
  ): Generator<
    | AccountBucketRecordNameFieldEvent
    | AccountBucketRecordIncarnationFieldEvent
    | AccountBucketRecordLiveFieldEvent
    | AccountBucketRecordCreatedMsFieldEvent
  >
}
export interface AccountRecord {
  accountId: string
  buckets: AccountBucketRecord[]
  bucketsMax: number
}
export declare namespace AccountRecord {
  const codec: () => Codec<AccountRecord>
  interface AccountRecordAccountIdFieldEvent {
    field: '$.accountId'
    value: string
  }
  interface AccountRecordBucketsNameFieldEvent {
    field: '$.buckets[].name'
    value: string
    index: number
  }
  interface AccountRecordBucketsIncarnationFieldEvent {
    field: '$.buckets[].incarnation'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface AccountRecordBucketsLiveFieldEvent {
    field: '$.buckets[].live'
    value: boolean
    index: number
  }
  interface AccountRecordBucketsCreatedMsFieldEvent {
    field: '$.buckets[].createdMs'
    value: number
    index: number
  }
  interface AccountRecordBucketsMaxFieldEvent {
    field: '$.bucketsMax'
    value: number
  }
  function encode(obj: Partial<AccountRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<AccountRecord>,
  ): AccountRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<AccountRecord>,
  ): Generator<
    | AccountRecordAccountIdFieldEvent
    | AccountRecordBucketsNameFieldEvent
    | AccountRecordBucketsIncarnationFieldEvent
    | AccountRecordBucketsLiveFieldEvent
    | AccountRecordBucketsCreatedMsFieldEvent
    | AccountRecordBucketsMaxFieldEvent
  >
}
export interface UploadRecord {
  state: number
  key: string
  initiatedMs: number
  storageClass: string
  system: PairRecord[]
  user: PairRecord[]
  checksumAlgorithm: string
  checksumType: number
  result?: VersionRecord
  request: Uint8Array<ArrayBuffer>
}
export declare namespace UploadRecord {
  const codec: () => Codec<UploadRecord>
  interface UploadRecordStateFieldEvent {
    field: '$.state'
    value: number
  }
  interface UploadRecordKeyFieldEvent {
    field: '$.key'
    value: string
  }
  interface UploadRecordInitiatedMsFieldEvent {
    field: '$.initiatedMs'
    value: number
  }
  interface UploadRecordStorageClassFieldEvent {
    field: '$.storageClass'
    value: string
  }
  interface UploadRecordSystemNameFieldEvent {
    field: '$.system[].name'
    value: string
    index: number
  }
  interface UploadRecordSystemValueFieldEvent {
    field: '$.system[].value'
    value: string
    index: number
  }
  interface UploadRecordUserNameFieldEvent {
    field: '$.user[].name'
    value: string
    index: number
  }
  interface UploadRecordUserValueFieldEvent {
    field: '$.user[].value'
    value: string
    index: number
  }
  interface UploadRecordChecksumAlgorithmFieldEvent {
    field: '$.checksumAlgorithm'
    value: string
  }
  interface UploadRecordChecksumTypeFieldEvent {
    field: '$.checksumType'
    value: number
  }
  interface UploadRecordResultVersionIdFieldEvent {
    field: '$.result.versionId'
    value: string
  }
  interface UploadRecordResultDeleteMarkerFieldEvent {
    field: '$.result.deleteMarker'
    value: boolean
  }
  interface UploadRecordResultSizeBytesFieldEvent {
    field: '$.result.sizeBytes'
    value: number
  }
  interface UploadRecordResultEtagFieldEvent {
    field: '$.result.etag'
    value: string
  }
  interface UploadRecordResultLastModifiedMsFieldEvent {
    field: '$.result.lastModifiedMs'
    value: number
  }
  interface UploadRecordResultStorageClassFieldEvent {
    field: '$.result.storageClass'
    value: string
  }
  interface UploadRecordResultSystemNameFieldEvent {
    field: '$.result.system[].name'
    value: string
    index: number
  }
  interface UploadRecordResultSystemValueFieldEvent {
    field: '$.result.system[].value'
    value: string
    index: number
  }
  interface UploadRecordResultUserNameFieldEvent {
    field: '$.result.user[].name'
    value: string
    index: number
  }
  interface UploadRecordResultUserValueFieldEvent {
    field: '$.result.user[].value'
    value: string
    index: number
  }
  interface UploadRecordResultChecksumsNameFieldEvent {
    field: '$.result.checksums[].name'
    value: string
    index: number
  }
  interface UploadRecordResultChecksumsValueFieldEvent {
    field: '$.result.checksums[].value'
    value: string
    index: number
  }
  interface UploadRecordResultChecksumTypeFieldEvent {
    field: '$.result.checksumType'
    value: number
  }
  interface UploadRecordResultStorageDataIdFieldEvent {
    field: '$.result.storage[].dataId'
    value: Uint8Array<ArrayBuffer>
    index: number
  }
  interface UploadRecordResultStorageSizeBytesFieldEvent {
    field: '$.result.storage[].sizeBytes'
    value: number
    index: number
  }
  interface UploadRecordResultStoragePackedFieldEvent {
    field: '$.result.storage[].packed'
    value: boolean
    index: number
  }
  interface UploadRecordResultManifestFieldEvent {
    field: '$.result.manifest'
    value: Uint8Array<ArrayBuffer>
  }
  interface UploadRecordResultUploadIdFieldEvent {
    field: '$.result.uploadId'
    value: Uint8Array<ArrayBuffer>
  }
  interface UploadRecordRequestFieldEvent {
    field: '$.request'
    value: Uint8Array<ArrayBuffer>
  }
  function encode(obj: Partial<UploadRecord>): Uint8Array<ArrayBuffer>
  function decode(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<UploadRecord>,
  ): UploadRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<UploadRecord>,
  ): Generator<
    | UploadRecordStateFieldEvent
    | UploadRecordKeyFieldEvent
    | UploadRecordInitiatedMsFieldEvent
    | UploadRecordStorageClassFieldEvent
    | UploadRecordSystemNameFieldEvent
    | UploadRecordSystemValueFieldEvent
    | UploadRecordUserNameFieldEvent
    | UploadRecordUserValueFieldEvent
    | UploadRecordChecksumAlgorithmFieldEvent
    | UploadRecordChecksumTypeFieldEvent
    | UploadRecordResultVersionIdFieldEvent
    | UploadRecordResultDeleteMarkerFieldEvent
    | UploadRecordResultSizeBytesFieldEvent
    | UploadRecordResultEtagFieldEvent
    | UploadRecordResultLastModifiedMsFieldEvent
    | UploadRecordResultStorageClassFieldEvent
    | UploadRecordResultSystemNameFieldEvent
    | UploadRecordResultSystemValueFieldEvent
    | UploadRecordResultUserNameFieldEvent
    | UploadRecordResultUserValueFieldEvent
    | UploadRecordResultChecksumsNameFieldEvent
    | UploadRecordResultChecksumsValueFieldEvent
    | UploadRecordResultChecksumTypeFieldEvent
    | UploadRecordResultStorageDataIdFieldEvent
    | UploadRecordResultStorageSizeBytesFieldEvent
    | UploadRecordResultStoragePackedFieldEvent
    | UploadRecordResultManifestFieldEvent
    | UploadRecordResultUploadIdFieldEvent
    | UploadRecordRequestFieldEvent
  >
}
export interface PartRecord {
  partNumber: number
  sizeBytes: number
  etag: string
  lastModifiedMs: number
  checksums: PairRecord[]
  storage?: StorageRecord
}
export declare namespace PartRecord {
  const codec: () => Codec<PartRecord>
  interface PartRecordPartNumberFieldEvent {
    field: '$.partNumber'
    value: number
  }
  interface PartRecordSizeBytesFieldEvent {
    field: '$.sizeBytes'
    value: number
  }
  interface PartRecordEtagFieldEvent {
    field: '$.etag'
    value: string
  }
  interface PartRecordLastModifiedMsFieldEvent {
    field: '$.lastModifiedMs'
    value: number
  }
  interface PartRecordChecksumsNameFieldEvent {
    field: '$.checksums[].name'
    value: string
    index: number
  }
  interface PartRecordChecksumsValueFieldEvent {
    field: '$.checksums[].value'
    value: string
    index: number
  }
  interface PartRecordStorageDataIdFieldEvent {
    field: '$.storage.dataId'
    value: Uint8Array<ArrayBuffer>
  }
  interface PartRecordStorageSizeBytesFieldEvent {
    field: '$.storage.sizeBytes'
    value: number
  }
  interface PartRecordStoragePackedFieldEvent {
    field: '$.storage.packed'
    value: boolean
  }
  function encode(obj: Partial<PartRecord>): Uint8Array<ArrayBuffer>
  function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<PartRecord>): PartRecord
  function stream(
    buf: Uint8Array | Uint8ArrayList,
    opts?: DecodeOptions<PartRecord>,
  ): Generator<
    | PartRecordPartNumberFieldEvent
    | PartRecordSizeBytesFieldEvent
    | PartRecordEtagFieldEvent
    | PartRecordLastModifiedMsFieldEvent
    | PartRecordChecksumsNameFieldEvent
    | PartRecordChecksumsValueFieldEvent
    | PartRecordStorageDataIdFieldEvent
    | PartRecordStorageSizeBytesFieldEvent
    | PartRecordStoragePackedFieldEvent
  >
}
