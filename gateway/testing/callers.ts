/** Users, sessions and accounts for tests of rights. */

import type { Credential, PolicyText } from '../port/identity.ts'
import {
  sendUnsigned,
  sendRaw,
  type ConformanceTarget,
  type RawResponse,
} from '../conformance/world.ts'
import { sha256 } from './signer.ts'

/** The account of EXAMPLE_CREDENTIAL, and another one. */
export const CALLERS_ACCOUNT = '123456789012'
export const OTHER_ACCOUNT = '210987654321'

export type CallerStatement = Readonly<Record<string, unknown>>

export const ALL: CallerStatement = { Effect: 'Allow', Action: '*', Resource: '*' }
export const DENY: CallerStatement = { Sid: 'Never', Effect: 'Deny', Action: '*', Resource: '*' }

export function document(...statements: readonly CallerStatement[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

function policies(owner: string, statements: readonly CallerStatement[]): PolicyText[] {
  if (statements.length === 0) return []
  return [{ name: `${owner}/inline`, text: document(...statements) }]
}

export function user(
  name: string,
  statements: readonly CallerStatement[] = [],
  accountId = CALLERS_ACCOUNT,
): Credential {
  return {
    accessKeyId: `AKIA${name.toUpperCase()}${accountId}`,
    secretAccessKey: `secret of ${name}`,
    identity: {
      accountId,
      principalArn: `arn:aws:iam::${accountId}:user/${name}`,
      principalId: `AIDA${name.toUpperCase()}`,
      userName: name,
      type: 'User',
      isRoot: false,
      policies: policies(`user/${name}`, statements),
    },
  }
}

/** `who` within a permissions boundary. */
export function bounded(who: Credential, statements: readonly CallerStatement[]): Credential {
  const boundary = { name: 'boundary', text: document(...statements) }
  return {
    ...who,
    accessKeyId: `${who.accessKeyId}BOUNDED`,
    identity: { ...who.identity, boundary },
  }
}

export function rootOf(accountId: string): Credential {
  return {
    accessKeyId: `AKIAROOT${accountId}`,
    secretAccessKey: `secret of ${accountId}`,
    identity: {
      accountId,
      principalArn: `arn:aws:iam::${accountId}:root`,
      principalId: accountId,
      userName: 'root',
      type: 'Account',
      isRoot: true,
      policies: [],
    },
  }
}

/** The credential of a role's session. Its token is `token of NAME`. */
export function session(
  role: string,
  statements: readonly CallerStatement[],
  sessionStatements?: readonly CallerStatement[],
): Credential {
  const { accessKeyId, secretAccessKey, identity } = user(role, statements)
  return {
    accessKeyId: accessKeyId.replace('AKIA', 'ASIA'),
    secretAccessKey,
    identity: {
      ...identity,
      principalArn: `arn:aws:sts::${CALLERS_ACCOUNT}:assumed-role/${role}/s1`,
      principalId: `AROA${role.toUpperCase()}:s1`,
      userName: '',
      type: 'AssumedRole',
      roleArn: `arn:aws:iam::${CALLERS_ACCOUNT}:role/${role}`,
      tokenIssuedMs: 1_770_000_000_000,
      ...(sessionStatements === undefined
        ? {}
        : { sessionPolicies: policies('session', sessionStatements) }),
    },
  }
}

export interface Sent {
  readonly method: string
  readonly path: string
  readonly query?: readonly (readonly [string, string])[]
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: readonly Uint8Array[]
}

/** Sends a request, signed by `who` or anonymous. */
export function send(
  target: Pick<ConformanceTarget, 'endpoint' | 'region'>,
  who: Credential | undefined,
  message: Sent,
): Promise<RawResponse> {
  if (who !== undefined) {
    const { accessKeyId, secretAccessKey } = who
    return sendRaw({ ...target, accessKeyId, secretAccessKey }, message)
  }
  const query = (message.query ?? [])
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&')
  const body = Buffer.concat(message.body ?? [])
  return sendUnsigned(
    target.endpoint,
    {
      method: message.method,
      url: query === '' ? message.path : `${message.path}?${query}`,
      headers: { 'content-length': String(body.length), ...message.headers },
    },
    body,
  )
}

export interface FormOptions {
  readonly service?: string
  readonly region?: string
  readonly headers?: Readonly<Record<string, string>>
  /** The form that is sent instead of the signed one. */
  readonly tampered?: string
}

/** Sends a form of the query API of IAM and STS. */
export function sendForm(
  target: Pick<ConformanceTarget, 'endpoint' | 'region'>,
  who: Credential | undefined,
  form: Readonly<Record<string, string>>,
  options: FormOptions = {},
): Promise<RawResponse> {
  const body = new URLSearchParams(form).toString()
  const headers = {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    'x-amz-content-sha256': sha256(body),
    ...options.headers,
  }
  const message = {
    method: 'POST',
    path: '/',
    headers,
    body: [Buffer.from(options.tampered ?? body)],
  }
  if (who === undefined) return send(target, undefined, message)
  const { accessKeyId, secretAccessKey } = who
  const { service = 'iam', region = target.region } = options
  const signer = { ...target, accessKeyId, secretAccessKey, service, region }
  return sendRaw(signer, message)
}
