/**
 * Verifies Signature Version 2 of a request, in its Authorization header or its query. The signature covers the
 * method, the path, the parameters that select an operation (canonical.ts), every x-amz-* header, Content-MD5,
 * Content-Type and the date. It does not cover the body or the parameters of listings.
 */

import {
  checkExpiry,
  checkSkew,
  equalSignatures,
  findCredential,
  uncoveredPayload,
} from '../auth.ts'
import type { AuthOptions, AuthResult } from '../auth.ts'
import { S3Error } from '../../http/errors.ts'
import type { S3Request } from '../../http/request.ts'
import { sigV2Signature, stringsToSign } from './canonical.ts'
import { parseSigV2Header, parseSigV2Query } from './claim.ts'
import type { SigV2Claim } from './claim.ts'

/**
 * Who signed the request. Signed chunks are refused, because their signatures are made with a key of SigV4. Throws
 * S3Error and StoreError (authenticate.ts).
 */
export async function verifySigV2(
  request: S3Request,
  method: 'header' | 'query',
  options: AuthOptions,
): Promise<AuthResult> {
  const claim = method === 'header' ? parseSigV2Header(request) : parseSigV2Query(request)
  const payload = uncoveredPayload(
    request.headers['x-amz-content-sha256'],
    'Signature Version 2 cannot sign chunks.',
  )
  checkTime(claim, options.nowMs)
  const credential = await findCredential(claim, options)
  const strings = stringsToSign(request, claim.dateText, method === 'query')
  const { secretAccessKey } = credential
  const matches = strings.some((toSign) =>
    equalSignatures(sigV2Signature(secretAccessKey, toSign), claim.signature),
  )
  if (!matches) {
    throw new S3Error('SignatureDoesNotMatch', undefined, {
      details: {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: strings[0] ?? '',
        SignatureProvided: claim.signature,
      },
    })
  }
  const { signedMs } = claim
  return { credential, method, version: 2, payload, signing: undefined, signedMs }
}

/**
 * Dates of headers may differ by 15 minutes from the node's clock. Links say until when they are valid, and not since
 * when.
 */
function checkTime({ signedMs, expiresMs, dateText }: SigV2Claim, nowMs: number): void {
  if (signedMs !== undefined) checkSkew(signedMs, dateText, nowMs)
  if (expiresMs !== undefined) checkExpiry(expiresMs, nowMs)
}
