/**
 * Finds out who signed a request and what the signature covers, before anything else (F22). Requests are signed
 * with SigV4 or, where the setting allows it, SigV2, in the Authorization header or in the query (presigned); or
 * they are anonymous.
 *
 * A malformed signature is refused before the key is looked up. Signatures are compared in constant time.
 */

import { uncoveredPayload, type AuthOptions, type AuthResult } from './auth.ts'
import { S3Error } from '../http/errors.ts'
import type { S3Request } from '../http/request.ts'
import { verifySigV2 } from './sigv2/verify.ts'
import { ALGORITHM } from './sigv4/canonical.ts'
import { verifySigV4 } from './sigv4/verify.ts'

/** How a request is signed. */
type Scheme = { readonly version: 2 | 4; readonly method: 'header' | 'query' }

/**
 * Throws S3Error with AWS's codes: AccessDenied, AuthorizationHeaderMalformed,
 * AuthorizationQueryParametersError, InvalidAccessKeyId, InvalidArgument, InvalidRequest,
 * RequestTimeTooSkewed, SignatureDoesNotMatch …; StoreError ExpiredToken, InvalidToken, Unavailable.
 */
export async function authenticate(request: S3Request, options: AuthOptions): Promise<AuthResult> {
  const scheme = schemeOf(request)
  if (scheme === undefined) return anonymous(request)
  if (scheme.version === 4) return verifySigV4(request, scheme.method, options)
  checkSigV2(scheme, options)
  return verifySigV2(request, scheme.method, options)
}

/** Undefined for a request without a signature. Throws InvalidArgument, NotImplemented. */
function schemeOf(request: S3Request): Scheme | undefined {
  const { headers, query } = request
  const header = headers['authorization']
  const version4 =
    query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature') || query.has('X-Amz-Credential')
  const version2 = query.has('Signature') || query.has('AWSAccessKeyId')
  if (Number(header !== undefined) + Number(version4) + Number(version2) > 1) {
    throw new S3Error(
      'InvalidArgument',
      'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
      { details: { ArgumentName: 'Authorization' } },
    )
  }
  if (version4) return { version: 4, method: 'query' }
  if (version2) return { version: 2, method: 'query' }
  if (header === undefined) return undefined
  if (header.startsWith('AWS4-ECDSA-P256-SHA256')) throw new S3Error('NotImplemented')
  if (header.startsWith(`${ALGORITHM} `)) return { version: 4, method: 'header' }
  if (header.startsWith('AWS ')) return { version: 2, method: 'header' }
  throw new S3Error('InvalidArgument', 'Unsupported Authorization Type', {
    details: { ArgumentName: 'Authorization' },
  })
}

/** Forms of IAM and STS are signed only with SigV4. */
function checkSigV2({ method }: Scheme, { sigv2 = 'off', form }: AuthOptions): void {
  if (form === undefined && (sigv2 === 'on' || (sigv2 === 'presigned' && method === 'query')))
    return
  throw new S3Error(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )
}

function anonymous(request: S3Request): AuthResult {
  const payload = uncoveredPayload(
    request.headers['x-amz-content-sha256'],
    'Signed chunks need a signed request.',
  )
  return { credential: undefined, method: 'anonymous', payload, signing: undefined }
}
