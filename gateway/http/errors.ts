/**
 * Errors of the S3 API: AWS's codes with their status and text, and the XML document. Failures of the store
 * become S3's errors in one place, `fromStoreError`.
 */

import { OverloadedError, type StoreError, type StoreErrorCode } from '../../protocol/errors.ts'
import { escapeXml, XML_DECLARATION } from './xml-text.ts'

/**
 * AWS's status and text for each of AWS's codes.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
const TABLE = {
  AccessDenied: [403, 'Access Denied'],
  AccessForbidden: [403, 'Access Forbidden'],
  AccessControlListNotSupported: [400, 'The bucket does not allow ACLs'],
  AuthorizationHeaderMalformed: [400, 'The authorization header that you provided is not valid.'],
  AuthorizationQueryParametersError: [
    400,
    'The authorization query parameters that you provided are not valid.',
  ],
  BadDigest: [
    400,
    'The Content-MD5 or checksum value you specified did not match what we received.',
  ],
  BadRequest: [400, 'Bad Request'],
  BucketAlreadyExists: [
    409,
    'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a different name and try again.',
  ],
  BucketAlreadyOwnedByYou: [
    409,
    'Your previous request to create the named bucket succeeded and you already own it.',
  ],
  BucketNotEmpty: [409, 'The bucket you tried to delete is not empty.'],
  ConditionalRequestConflict: [
    409,
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  ],
  CrossLocationLoggingProhibited: [403, 'Cross Region logging is not allowed.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed object size.'],
  // AWS's S3 answers 400, its IAM and STS 403. Shoal answers 403 everywhere.
  ExpiredToken: [403, 'The provided token has expired.'],
  IllegalLocationConstraintException: [
    400,
    'The specified location constraint is not valid for this endpoint.',
  ],
  IllegalVersioningConfigurationException: [
    400,
    'The versioning configuration specified in the request is invalid.',
  ],
  IncompleteBody: [
    400,
    'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  ],
  IncorrectNumberOfFilesInPostRequest: [400, 'POST requires exactly one file upload per request.'],
  InsufficientStorage: [507, 'There is not enough free space to store the object.'],
  InternalError: [500, 'An internal error occurred. Try again.'],
  InvalidAccessKeyId: [
    403,
    'The AWS access key ID that you provided does not exist in our records.',
  ],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketAclWithObjectOwnership: [
    400,
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  ],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidBucketState: [409, 'The request is not valid for the current state of the bucket.'],
  InvalidChunkSizeError: [
    403,
    'Only the last chunk is allowed to have a size less than 8192 bytes',
  ],
  InvalidDigest: [400, 'The Content-MD5 or checksum value that you specified is not valid.'],
  InvalidLocationConstraint: [400, 'The specified location constraint is not valid.'],
  InvalidObjectState: [403, 'The operation is not valid for the current state of the object.'],
  InvalidEncryptionAlgorithmError: [
    400,
    'The encryption request that you specified is not valid. The valid value is AES256.',
  ],
  InvalidPart: [
    400,
    "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.",
  ],
  InvalidPartNumber: [416, 'The requested partnumber is not satisfiable'],
  InvalidPartOrder: [
    400,
    'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
  ],
  InvalidPolicyDocument: [
    400,
    'The content of the form does not meet the conditions specified in the policy document.',
  ],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRedirectLocation: [
    400,
    "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
  ],
  InvalidRequest: [400, 'The request is not valid.'],
  InvalidSecurity: [403, 'The provided security credentials are not valid.'],
  InvalidStorageClass: [400, 'The storage class that you specified is not valid.'],
  InvalidTag: [400, 'The tag provided was not a valid tag.'],
  InvalidTargetBucketForLogging: [
    400,
    'The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group.',
  ],
  InvalidToken: [400, 'The provided token is malformed or otherwise not valid.'],
  InvalidURI: [400, "The specified URI couldn't be parsed."],
  IdempotencyParameterMismatch: [
    400,
    'Parameters on this idempotent request are inconsistent with parameters used in previous request(s).',
  ],
  'KMS.DisabledException': [400, 'The key is disabled.'],
  'KMS.NotFoundException': [400, 'The key does not exist.'],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedACLError: [
    400,
    'The ACL that you provided was not well formed or did not validate against our published schema.',
  ],
  MalformedPOSTRequest: [
    400,
    'The body of your POST request is not well-formed multipart/form-data.',
  ],
  MalformedPolicy: [400, 'Your policy contains a principal or statement that is not valid.'],
  MalformedTrailerError: [
    400,
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  ],
  MalformedXML: [
    400,
    'The XML that you provided was not well formed or did not validate against our published schema.',
  ],
  MaxPostPreDataLengthExceeded: [
    400,
    'Your POST request fields preceeding the upload file was too large.',
  ],
  MaxMessageLengthExceeded: [400, 'Your request was too large.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  MissingRequestBodyError: [400, 'Request body is empty.'],
  MissingSecurityHeader: [400, 'Your request is missing a required header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist'],
  NoSuchBucketPolicy: [404, 'The bucket policy does not exist'],
  NoSuchCORSConfiguration: [404, 'The CORS configuration does not exist'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycleConfiguration: [404, 'The lifecycle configuration does not exist'],
  NoSuchObjectLockConfiguration: [
    404,
    'The specified object does not have an ObjectLock configuration',
  ],
  NoSuchPublicAccessBlockConfiguration: [
    404,
    'The public access block configuration was not found',
  ],
  NoSuchTagSet: [404, 'The TagSet does not exist'],
  NoSuchUpload: [
    404,
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ],
  NoSuchVersion: [404, 'The specified version does not exist.'],
  NoSuchWebsiteConfiguration: [404, 'The specified bucket does not have a website configuration'],
  NotImplemented: [501, 'A header you provided implies functionality that is not implemented'],
  ObjectLockConfigurationNotFoundError: [
    404,
    'Object Lock configuration does not exist for this bucket',
  ],
  OperationAborted: [
    409,
    'A conflicting conditional operation is currently in progress against this resource. Try again.',
  ],
  OwnershipControlsNotFoundError: [404, 'The bucket ownership controls were not found'],
  PermanentRedirect: [
    301,
    'The bucket you are attempting to access must be addressed using the specified endpoint. Send all future requests to this endpoint.',
  ],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold'],
  QuotaExceeded: [403, 'The quota of the bucket does not allow this request.'],
  ReplicationConfigurationNotFoundError: [404, 'The replication configuration was not found'],
  RequestHeaderSectionTooLarge: [
    400,
    'Your request header section exceeds the maximum allowed size.',
  ],
  RequestTimeTooSkewed: [
    403,
    'The difference between the request time and the current time is too large.',
  ],
  RequestTimeout: [
    400,
    'Your socket connection to the server was not read from or written to within the timeout period.',
  ],
  ServerSideEncryptionConfigurationNotFoundError: [
    404,
    'The server side encryption configuration was not found',
  ],
  ServiceUnavailable: [503, 'Service is unable to handle request.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
  SlowDown: [503, 'Please reduce your request rate.'],
  TooManyBuckets: [400, 'You have attempted to create more buckets than are allowed.'],
  UnresolvableGrantByEmailAddress: [
    400,
    'The email address you provided does not match any account on record.',
  ],
  UnexpectedContent: [400, 'This request contains unsupported content.'],
  UnsupportedArgument: [400, 'The request contained an unsupported argument.'],
  UnsupportedSignature: [
    400,
    'The provided request is signed with an unsupported STS Token version or the signature version is not supported.',
  ],
  UserKeyMustBeSpecified: [400, 'The bucket POST must contain the specified field name.'],
  XAmzContentChecksumMismatch: [
    400,
    "The provided 'x-amz-checksum' header does not match what was computed.",
  ],
  XAmzContentSHA256Mismatch: [
    400,
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type S3ErrorCode = keyof typeof TABLE

export interface S3ErrorOptions {
  /** The text of the `Resource` element; the path of the request when absent. */
  readonly resource?: string | undefined
  /** Lower-case response headers that go with the error. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Further elements of the error document, in order: Region, Condition, ArgumentName … */
  readonly details?: Readonly<Record<string, string | number>> | undefined
  readonly cause?: unknown
}

/** A failure that the client is told about. All others are answered with InternalError. */
export class S3Error extends Error {
  override readonly name = 'S3Error'
  readonly code: S3ErrorCode
  readonly status: number
  readonly resource: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly details: Readonly<Record<string, string | number>> | undefined

  /** `message` defaults to AWS's text for the code. */
  constructor(code: S3ErrorCode, message?: string, options: S3ErrorOptions = {}) {
    super(
      message ?? TABLE[code][1],
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.status = TABLE[code][0]
    this.resource = options.resource
    this.headers = options.headers
    this.details = options.details
  }
}

/**
 * The codes of the store's failures. A change that may or may not have taken effect is Unavailable: 503, which SDKs
 * repeat (P4).
 */
const STORE_CODES: Readonly<Record<StoreErrorCode, S3ErrorCode>> = {
  NoSuchBucket: 'NoSuchBucket',
  BucketAlreadyExists: 'BucketAlreadyExists',
  BucketAlreadyOwnedByYou: 'BucketAlreadyOwnedByYou',
  BucketNotEmpty: 'BucketNotEmpty',
  TooManyBuckets: 'TooManyBuckets',
  NoSuchKey: 'NoSuchKey',
  NoSuchVersion: 'NoSuchVersion',
  NoSuchUpload: 'NoSuchUpload',
  InvalidPart: 'InvalidPart',
  InvalidPartOrder: 'InvalidPartOrder',
  EntityTooSmall: 'EntityTooSmall',
  EntityTooLarge: 'EntityTooLarge',
  PreconditionFailed: 'PreconditionFailed',
  ObjectLocked: 'AccessDenied',
  InvalidBucketState: 'InvalidBucketState',
  QuotaExceeded: 'QuotaExceeded',
  TokenMismatch: 'IdempotencyParameterMismatch',
  NoSuchEncryptionKey: 'KMS.NotFoundException',
  EncryptionKeyDisabled: 'KMS.DisabledException',
  Conflict: 'OperationAborted',
  Unavailable: 'ServiceUnavailable',
  InsufficientStorage: 'InsufficientStorage',
  DataLost: 'InternalError',
  IsDeleteMarker: 'MethodNotAllowed',
  ExpiredToken: 'ExpiredToken',
  InvalidToken: 'InvalidToken',
}

/**
 * The S3 error for a failure of the store. `conditional`: the request had a write condition, so a conflict is
 * ConditionalRequestConflict instead of OperationAborted (both 409).
 */
export function fromStoreError(
  error: StoreError,
  options: { conditional?: boolean } = {},
): S3Error {
  const code = codeOf(error, options.conditional === true)
  const aboutMarker = markerHeaders(error)
  const message = textOf(error)
  return new S3Error(code, message, {
    cause: error,
    details: aboutMarker === undefined ? error.details : undefined,
    headers: aboutMarker ?? (error.code === 'Unavailable' ? { 'retry-after': '1' } : undefined),
  })
}

function codeOf(error: StoreError, conditional: boolean): S3ErrorCode {
  if (error.code === 'Conflict' && conditional) return 'ConditionalRequestConflict'
  // SDKs retry both 503s, but only SlowDown asks for fewer requests.
  return error instanceof OverloadedError ? 'SlowDown' : STORE_CODES[error.code]
}

/** AWS's text for what object lock protects. */
const LOCKED = 'Access Denied because object protected by object lock.'

/** Failures that their own text explains better than AWS's general one. */
const EXPLAINED: ReadonlySet<StoreErrorCode> = new Set([
  'DataLost',
  'InvalidBucketState',
  'QuotaExceeded',
  'NoSuchEncryptionKey',
  'EncryptionKeyDisabled',
])

/** Adds to AWS's text why a request gets 503, that data is lost, and what a bucket's settings do not go with. */
function textOf(error: StoreError): string | undefined {
  if (error.code === 'Unavailable') return unavailableText(error)
  if (error.code === 'ObjectLocked') return LOCKED
  return EXPLAINED.has(error.code) && error.message !== error.code ? error.message : undefined
}

function unavailableText(error: StoreError): string {
  const own = TABLE[codeOf(error, false)][1]
  return error.message === error.code ? own : `${own} Reason: ${error.message}.`
}

/** Headers that tell, also in answers to HEAD, that there is a delete marker instead of an object. */
function markerHeaders({ code, details }: StoreError): Record<string, string> | undefined {
  const named = code === 'IsDeleteMarker'
  if (!named && (code !== 'NoSuchKey' || details['DeleteMarker'] !== 'true')) return undefined
  const headers: Record<string, string> = { 'x-amz-delete-marker': 'true' }
  const { VersionId, LastModifiedMs } = details
  if (VersionId !== undefined) headers['x-amz-version-id'] = String(VersionId)
  if (named) headers['allow'] = 'DELETE'
  if (named && LastModifiedMs !== undefined) {
    headers['last-modified'] = new Date(Number(LastModifiedMs)).toUTCString()
  }
  return headers
}

/** The XML document of an error. Not for HEAD, 304 and other answers without a body. */
export function errorXml(
  error: S3Error,
  about: { readonly resource: string; readonly requestId: string; readonly hostId: string },
): string {
  let text = `${XML_DECLARATION}<Error><Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message>`
  if (error.details !== undefined) {
    for (const [name, value] of Object.entries(error.details)) {
      text += `<${name}>${escapeXml(String(value))}</${name}>`
    }
  }
  text += `<Resource>${escapeXml(error.resource ?? about.resource)}</Resource>`
  return `${text}<RequestId>${escapeXml(about.requestId)}</RequestId><HostId>${escapeXml(about.hostId)}</HostId></Error>`
}
