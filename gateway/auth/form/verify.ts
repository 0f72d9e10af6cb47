/**
 * Who signed a form that uploads a file. What is signed is the field `policy` as it was sent, so the policy is not looked at
 * before the signature is right. A form without any field of a signature is anonymous.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
 */

import { lowerCase } from '../../http/ascii.ts'
import { S3Error } from '../../http/errors.ts'
import { missingField, type FormFields } from '../../http/form-fields.ts'
import { parseBasicDate } from '../../http/http-date.ts'
import {
  checkExpiry,
  checkNotEarly,
  equalSignatures,
  findCredential,
  UNSIGNED,
  type AuthOptions,
  type AuthResult,
} from '../auth.ts'
import { sigV2Signature } from '../sigv2/canonical.ts'
import { ALGORITHM, hmacHex, signingKey } from '../sigv4/canonical.ts'
import { parseCredential } from '../sigv4/claim.ts'

/** The fields of each version, in the order in which AWS misses them. */
const VERSION_4 = ['X-Amz-Signature', 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Date'] as const
const VERSION_2 = ['Signature', 'AWSAccessKeyId'] as const

/** Signing keys of version 4 are valid for a week. */
const MAX_AGE_MS = 7 * 24 * 3_600_000

const ANONYMOUS_FORM: AuthResult = {
  credential: undefined,
  method: 'anonymous',
  payload: UNSIGNED,
  signing: undefined,
}

/** What a signature of a form says. */
interface FormClaim {
  readonly accessKeyId: string
  readonly signature: string
  readonly signedMs: number | undefined
  /** The signature that the key gives. */
  sign(secretAccessKey: string): string
}

/**
 * Throws S3Error: InvalidArgument for missing or malformed fields, AccessDenied, InvalidAccessKeyId, InvalidRequest for
 * version 2 where it is off, SignatureDoesNotMatch; StoreError ExpiredToken, InvalidToken, Unavailable.
 */
export async function verifyForm(fields: FormFields, options: AuthOptions): Promise<AuthResult> {
  const version4 = VERSION_4.some((name) => valueOf(fields, name) !== undefined)
  const version2 = VERSION_2.some((name) => valueOf(fields, name) !== undefined)
  if (!version4 && !version2) return ANONYMOUS_FORM
  if (version4 && version2) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed', {
      details: { ArgumentName: 'X-Amz-Algorithm' },
    })
  }
  const policy = requiredValue(fields, 'policy')
  const claim = version4 ? claimOf4(fields, policy, options) : claimOf2(fields, policy, options)
  const { accessKeyId, signature, signedMs } = claim
  const sessionToken = fields.get('x-amz-security-token')?.value || undefined
  const credential = await findCredential({ accessKeyId, sessionToken }, options)
  if (!equalSignatures(claim.sign(credential.secretAccessKey), signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: accessKeyId,
        StringToSign: policy,
        SignatureProvided: signature,
      },
    })
  }
  const version = version4 ? 4 : 2
  return { credential, method: 'form', version, payload: UNSIGNED, signing: undefined, signedMs }
}

/** Names of fields are written in any case. */
function valueOf(fields: FormFields, name: string): string | undefined {
  return fields.get(lowerCase(name))?.value
}

function requiredValue(fields: FormFields, name: string): string {
  const value = valueOf(fields, name)
  if (value === undefined) throw missingField(name)
  return value
}

function claimOf4(fields: FormFields, policy: string, options: AuthOptions): FormClaim {
  const [signature, algorithm, credential, timestamp] = VERSION_4.map((name) =>
    requiredValue(fields, name),
  ) as [string, string, string, string]
  if (algorithm !== ALGORITHM) {
    if (algorithm === 'AWS4-ECDSA-P256-SHA256') throw new S3Error('NotImplemented')
    throw invalidField('X-Amz-Algorithm', algorithm, `X-Amz-Algorithm only supports "${ALGORITHM}"`)
  }
  const signedMs = parseBasicDate(timestamp)
  if (signedMs === undefined) {
    // AWS's spelling.
    const problem = 'X-Amz-Date must be formated via ISO8601 Long format'
    throw invalidField('X-Amz-Date', timestamp, problem)
  }
  const rules = { services: ['s3'], regions: [options.region] }
  const scope = parseCredential(credential, rules, timestamp, (why, details) =>
    invalidField('X-Amz-Credential', credential, why, details),
  )
  checkNotEarly(signedMs, timestamp, options.nowMs)
  checkExpiry(signedMs + MAX_AGE_MS, options.nowMs)
  return {
    accessKeyId: scope.accessKeyId,
    signature,
    signedMs,
    sign: (secret) => hmacHex(signingKey(secret, scope.date, scope.region, scope.service), policy),
  }
}

/** Forms are like links: somebody signs them for others. So they are accepted where links of version 2 are. */
function claimOf2(fields: FormFields, policy: string, { sigv2 = 'off' }: AuthOptions): FormClaim {
  const [signature, accessKeyId] = VERSION_2.map((name) => requiredValue(fields, name)) as [
    string,
    string,
  ]
  if (sigv2 === 'off') {
    throw new S3Error(
      'InvalidRequest',
      'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    )
  }
  const sign = (secret: string): string => sigV2Signature(secret, policy)
  return { accessKeyId, signature, signedMs: undefined, sign }
}

function invalidField(
  name: string,
  value: string,
  message: string,
  details: Record<string, string> = {},
): S3Error {
  return new S3Error('InvalidArgument', message, {
    details: { ArgumentName: name, ArgumentValue: value, ...details },
  })
}
