/**
 * Condition keys that the gateway fills in whenever they apply to a request. A key that stands neither
 * here nor in the request is unknown: nobody can say what its value would have been (evaluate.ts).
 */

/** Lower case. */
export const CONDITION_KEYS: ReadonlySet<string> = new Set(
  [
    'aws:CurrentTime',
    'aws:EpochTime',
    'aws:PrincipalAccount',
    'aws:PrincipalArn',
    'aws:PrincipalType',
    'aws:Referer',
    'aws:SecureTransport',
    'aws:SourceIp',
    'aws:UserAgent',
    'aws:userid',
    'aws:username',
    's3:authType',
    's3:delimiter',
    's3:max-keys',
    's3:prefix',
    's3:signatureversion',
  ].map((key) => key.toLowerCase()),
)
