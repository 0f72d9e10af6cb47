/**
 * The managed policies that every account has, under AWS's names and ids. Their texts are part of the
 * program: a record of one (attachments.ts) only lists who holds it in an account.
 */

/** One of them, as AWS describes it. */
export interface BuiltInPolicy {
  readonly name: string
  /** AWS's own id, 'ANPA…', so that tools which know it find it. */
  readonly id: string
  /** 'arn:aws:iam::aws:policy/NAME': it belongs to no account. */
  readonly arn: string
  readonly description: string
  /** The same moment for all, as AWS shows it. */
  readonly createdMs: number
  /** The policy's text, JSON. */
  readonly text: string
}

const PREFIX = 'arn:aws:iam::aws:policy/'
const CREATED_MS = Date.UTC(2015, 1, 6, 18, 40)

/** One statement that allows `actions` on everything. */
function builtIn(
  name: string,
  id: string,
  description: string,
  actions: string | readonly string[],
): BuiltInPolicy {
  const document = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
  }
  const text = JSON.stringify(document, undefined, 4)
  return { name, id, arn: PREFIX + name, description, createdMs: CREATED_MS, text }
}

/** Reading identities and simulating decisions changes nothing. */
const IAM_READ = [
  'iam:Get*',
  'iam:List*',
  'iam:SimulateCustomPolicy',
  'iam:SimulatePrincipalPolicy',
]

/** All of them, by ARN. */
export const BUILT_IN_POLICIES: ReadonlyMap<string, BuiltInPolicy> = new Map(
  [
    builtIn('AdministratorAccess', 'ANPAIWMBCKSKIEE64ZLYK', 'Provides full access.', '*'),
    builtIn(
      'AmazonS3FullAccess',
      'ANPAIFIR6V6BVTRAHWINE',
      'Provides full access to all buckets.',
      's3:*',
    ),
    builtIn(
      'AmazonS3ReadOnlyAccess',
      'ANPAIZTJ4DXE7G6AGAE6M',
      'Provides read only access to all buckets.',
      ['s3:Get*', 's3:List*', 's3:Describe*'],
    ),
    builtIn('IAMFullAccess', 'ANPAI7XKCFMBPM3QQRRVQ', 'Provides full access to IAM.', 'iam:*'),
    builtIn(
      'IAMReadOnlyAccess',
      'ANPAJKSO7NDY4T57MWDSQ',
      'Provides read only access to IAM.',
      IAM_READ,
    ),
    builtIn('ReadOnlyAccess', 'ANPAILL3HVNFSB6DCOWYQ', 'Provides read only access to everything.', [
      's3:Get*',
      's3:List*',
      's3:Describe*',
      ...IAM_READ,
      'sts:GetAccessKeyInfo',
      'sts:GetCallerIdentity',
    ]),
  ].map((policy) => [policy.arn, policy]),
)
