/**
 * Which checksums the parts of an upload and its object get. The server computes those of the parts, and the object's
 * from those of the parts. Checksums that clients declare are compared with these; they are never stored themselves.
 *
 *   created with               a part's checksum                    the object's
 *   no algorithm               CRC64NVME, and the one declared      FULL_OBJECT
 *   CRC, FULL_OBJECT           computed, declared or not            FULL_OBJECT: the parts' combined
 *   any but CRC64, COMPOSITE   must be declared                     COMPOSITE: checksum of the parts' checksums
 */

import { lowerCase } from '../http/ascii.ts'
import type { CompletedPart, PartInfo, UploadInfo } from '../port/uploads.ts'
import type { ChecksumAlgorithm, FinishedBody } from '../port/body.ts'
import {
  combineFullObject,
  compositeOf,
  DEFAULT_ALGORITHM,
  isCombinable,
  type DeclaredChecksum,
} from '../body/checksum.ts'
import { S3Error } from '../http/errors.ts'

/** FULL_OBJECT: of all bytes. COMPOSITE: of the checksums of the parts. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** The checksum of the whole object as CompleteMultipartUpload declares it. */
export interface DeclaredOfObject {
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
  readonly type: ChecksumType | undefined
}

type Created = Pick<UploadInfo, 'checksumAlgorithm' | 'checksumType'>

/** The checksums to compute for a part. Throws InvalidRequest when the upload needs another one than declared. */
export function algorithmsOfPart(
  { checksumAlgorithm, checksumType }: Created,
  declared: DeclaredChecksum | undefined,
): readonly ChecksumAlgorithm[] {
  if (checksumAlgorithm === undefined) return [DEFAULT_ALGORITHM]
  const isMissing = declared === undefined && checksumType !== 'FULL_OBJECT'
  if (isMissing || (declared !== undefined && declared.algorithm !== checksumAlgorithm)) {
    throw mismatch(checksumAlgorithm, declared?.algorithm)
  }
  return [checksumAlgorithm]
}

/**
 * The checksum of the object, from its parts. Throws InvalidRequest when the completion lacks a checksum or declares
 * another kind, BadDigest when the declared value is wrong.
 */
export function checksumOfObject(
  upload: Created,
  parts: readonly PartInfo[],
  named: readonly CompletedPart[],
  declared: DeclaredOfObject,
): Omit<FinishedBody, 'etag'> {
  const type = upload.checksumType ?? 'FULL_OBJECT'
  if (declared.type !== undefined && declared.type !== type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    )
  }
  const algorithm = algorithmOfObject(upload, parts, declared)
  if (algorithm === undefined) return { checksums: {} }
  if (type === 'COMPOSITE') checkNamed(algorithm, named)
  const values = valuesOf(algorithm, parts)
  const computed =
    type === 'FULL_OBJECT'
      ? combineFullObject(algorithm, values)
      : compositeOf(
          algorithm,
          values.map(({ checksum }) => checksum),
        )
  const { checksum } = declared
  const matches =
    checksum === undefined ||
    computed === checksum.value ||
    (type === 'COMPOSITE' && computed === `${checksum.value}-${parts.length}`)
  if (!matches) {
    throw new S3Error(
      'BadDigest',
      `The ${lowerCase(algorithm)} you specified did not match the calculated checksum.`,
    )
  }
  return { checksums: { [algorithm]: computed }, checksumType: type }
}

/** Undefined for parts stored by an old version, which did not compute a checksum for every part. */
function algorithmOfObject(
  { checksumAlgorithm }: Created,
  parts: readonly PartInfo[],
  { checksum }: DeclaredOfObject,
): ChecksumAlgorithm | undefined {
  const wanted = checksum?.algorithm
  if (checksumAlgorithm !== undefined) {
    if (wanted !== undefined && wanted !== checksumAlgorithm) {
      throw mismatch(checksumAlgorithm, wanted)
    }
    return checksumAlgorithm
  }
  const isCarried = (algorithm: ChecksumAlgorithm): boolean =>
    parts.every((part) => part.checksums[algorithm] !== undefined)
  if (wanted !== undefined) {
    // It can be checked if every part happens to have it.
    if (isCombinable(wanted) && isCarried(wanted)) return wanted
    throw new S3Error(
      'InvalidRequest',
      `The upload was not created using a ${lowerCase(wanted)} checksum.`,
    )
  }
  return isCarried(DEFAULT_ALGORITHM) ? DEFAULT_ALGORITHM : undefined
}

/** As in AWS, a composite checksum requires that the client declares the one of each part. */
function checkNamed(algorithm: ChecksumAlgorithm, named: readonly CompletedPart[]): void {
  for (const { partNumber, checksums } of named) {
    if (checksums[algorithm] !== undefined) continue
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${lowerCase(algorithm)} checksum. The complete request must include the checksum for each part. It was missing for part ${partNumber} in the request.`,
    )
  }
}

function valuesOf(
  algorithm: ChecksumAlgorithm,
  parts: readonly PartInfo[],
): { checksum: string; sizeBytes: number }[] {
  return parts.map(({ checksums, sizeBytes, partNumber }) => {
    const checksum = checksums[algorithm]
    if (checksum !== undefined) return { checksum, sizeBytes }
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${lowerCase(algorithm)} checksum. It was missing for part ${partNumber}.`,
    )
  })
}

function mismatch(expected: ChecksumAlgorithm, actual: ChecksumAlgorithm | undefined): S3Error {
  return new S3Error(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${lowerCase(expected)}, actual checksum Type: ${actual === undefined ? 'null' : lowerCase(actual)}`,
  )
}
