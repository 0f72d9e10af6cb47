/** Headers with a fixed set of values. docs/s3-parameters.md lists them too. */

import { trim } from './ascii.ts'
import { S3Error } from './errors.ts'

/** Which values a header may have. */
export interface ValueRule {
  readonly accepted: readonly string[]
  /** Values that AWS accepts and Shoal answers with 501. `others`: all but the accepted ones. */
  readonly notBuilt: readonly string[] | 'others'
  /** Upper and lower case make no difference. */
  readonly anyCase?: true
  /** The header holds several values, separated by commas. */
  readonly isList?: true
  /** AWS's error for other values; InvalidArgument when absent. */
  readonly code?: 'InvalidStorageClass'
}

const DIRECTIVE: ValueRule = { accepted: ['COPY', 'REPLACE'], notBuilt: [] }
const SWITCH: ValueRule = { accepted: ['true', 'false'], notBuilt: [], anyCase: true }

/** The rules by header name, in lower case. */
export const VALUE_RULES: ReadonlyMap<string, ValueRule> = new Map<string, ValueRule>([
  [
    // Which of them a request may use: s3/acl.ts.
    'x-amz-acl',
    {
      accepted: [
        'private',
        'public-read',
        'public-read-write',
        'authenticated-read',
        'bucket-owner-read',
        'bucket-owner-full-control',
        'log-delivery-write',
      ],
      notBuilt: ['aws-exec-read'],
    },
  ],
  [
    'x-amz-storage-class',
    {
      accepted: [
        'STANDARD',
        'REDUCED_REDUNDANCY',
        'STANDARD_IA',
        'ONEZONE_IA',
        'INTELLIGENT_TIERING',
        'GLACIER',
        'GLACIER_IR',
        'DEEP_ARCHIVE',
      ],
      notBuilt: [],
      code: 'InvalidStorageClass',
    },
  ],
  ['x-amz-request-payer', { accepted: ['requester'], notBuilt: [] }],
  ['x-amz-metadata-directive', DIRECTIVE],
  ['x-amz-tagging-directive', DIRECTIVE],
  ['x-amz-checksum-mode', { accepted: ['ENABLED'], notBuilt: [], anyCase: true }],
  ['x-amz-bucket-object-lock-enabled', SWITCH],
  ['x-amz-bypass-governance-retention', SWITCH],
  [
    'x-amz-object-ownership',
    { accepted: ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'], notBuilt: [] },
  ],
  ['x-amz-bucket-namespace', { accepted: ['global'], notBuilt: 'others' }],
  [
    // Shoal never moves objects to another class, so only AWS's default is accepted.
    'x-amz-transition-default-minimum-object-size',
    { accepted: ['all_storage_classes_128K'], notBuilt: ['varies_by_storage_class'] },
  ],
  [
    // No object is ever being restored, so nothing is missing from the answer.
    'x-amz-optional-object-attributes',
    { accepted: ['RestoreStatus'], notBuilt: [], isList: true },
  ],
])

/** Throws NotImplemented, InvalidArgument, InvalidStorageClass. */
export function checkValue(name: string, value: string): void {
  const rule = VALUE_RULES.get(name)
  if (rule === undefined) return
  const given = rule.isList === true ? elementsOf(value) : [value]
  if (given.every((each) => accepts(rule, each))) return
  if (rule.notBuilt === 'others' || rule.notBuilt.includes(value)) {
    throw new S3Error('NotImplemented', undefined, { details: { Header: name } })
  }
  throw new S3Error(rule.code ?? 'InvalidArgument', undefined, {
    details: { ArgumentName: name, ArgumentValue: value },
  })
}

/** Ignores empty elements (RFC 9110, 5.6.1.2). */
function elementsOf(list: string): string[] {
  return list
    .split(',')
    .map(trim)
    .filter((each) => each !== '')
}

function accepts({ accepted, anyCase }: ValueRule, value: string): boolean {
  if (accepted.includes(value)) return true
  if (anyCase !== true) return false
  return accepted.some((each) => new RegExp(`^${each}$`, 'i').test(value))
}
