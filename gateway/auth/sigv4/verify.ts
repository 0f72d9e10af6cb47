/**
 * Verifies Signature Version 4 of a request, in its Authorization header or its query (F22). The signature covers the
 * method, the path, all query parameters, the signed headers, and the hash of the body or the word that says how the
 * body is covered.
 *
 *   parse the claim → check the time → check which headers are signed → find the key → recompute and compare
 *
 * Everything that needs no key is checked before one is looked up.
 */

import { hash } from 'node:crypto'

import {
  mustBeSigned,
  checkExpiry,
  checkNotEarly,
  checkSkew,
  equalSignatures,
  findCredential,
} from '../auth.ts'
import { payloadMode, UNSIGNED, type AuthOptions, type AuthResult } from '../auth.ts'
import { S3Error } from '../../http/errors.ts'
import type { S3Request } from '../../http/request.ts'
import { canonicalRequest, hmacHex, signingKey, stringToSign } from './canonical.ts'
import { parseHeaderClaim, parseQueryClaim } from './claim.ts'
import type { Claim } from './claim.ts'

/** The services whose forms are signed with SigV4 too. */
export const QUERY_SERVICES: readonly string[] = ['iam', 'sts']

/**
 * Who signed the request, and how its body is covered. `method` says where the signature is. Throws S3Error and
 * StoreError (authenticate.ts); a wrong signature is answered with the strings that were computed, as in AWS.
 */
export async function verifySigV4(
  request: S3Request,
  method: 'header' | 'query',
  options: AuthOptions,
): Promise<AuthResult> {
  const { form } = options
  const rules =
    form === undefined
      ? { services: ['s3'], regions: [options.region] }
      : { services: QUERY_SERVICES, regions: [options.region, 'us-east-1'] }
  const claim =
    method === 'header' ? parseHeaderClaim(request, rules) : parseQueryClaim(request, rules)
  let payloadHash = claim.payloadHash ?? ''
  const payload = form === undefined ? payloadMode(payloadHash) : UNSIGNED
  checkTime(claim, options.nowMs)
  checkSignedHeaders(request, claim.signedHeaders)
  const credential = await findCredential(claim, options)
  if (form !== undefined) payloadHash = hash('sha256', await form.readBody(), 'hex')
  const key = signingKey(credential.secretAccessKey, claim.date, claim.region, claim.service)
  const canonical = canonicalRequest(request, claim.signedHeaders, payloadHash)
  if (canonical === undefined) throw new S3Error('SignatureDoesNotMatch')
  const toSign = stringToSign(claim.timestamp, claim.scope, canonical)
  if (!equalSignatures(hmacHex(key, toSign), claim.signature)) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: toSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    })
  }
  return {
    credential,
    method,
    version: 4,
    payload,
    signing: {
      signingKey: key,
      seedSignature: claim.signature,
      scope: claim.scope,
      timestamp: claim.timestamp,
    },
    signedMs: claim.timeMs,
  }
}

/**
 * A header must be of the last or next 15 minutes. A link may begin at most 15 minutes from now, and must not be
 * over.
 */
function checkTime({ timeMs, timestamp, expiresSeconds }: Claim, nowMs: number): void {
  if (expiresSeconds === undefined) return checkSkew(timeMs, timestamp, nowMs)
  checkNotEarly(timeMs, timestamp, nowMs)
  checkExpiry(timeMs + expiresSeconds * 1000, nowMs, { 'X-Amz-Expires': expiresSeconds })
}

/** Host and every x-amz-* header must be signed; otherwise others could add headers to a signed request. */
function checkSignedHeaders(request: S3Request, signed: ReadonlySet<string>): void {
  const missing: string[] = []
  if (!signed.has('host')) missing.push('host')
  for (const name of request.amzNames) {
    if (mustBeSigned(name) && !signed.has(name) && !request.hoisted.has(name)) missing.push(name)
  }
  if (missing.length > 0) {
    throw new S3Error(
      'AccessDenied',
      'There were headers present in the request which were not signed',
      { details: { HeadersNotSigned: missing.join(', ') } },
    )
  }
}
