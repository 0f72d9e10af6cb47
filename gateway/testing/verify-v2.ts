/** Verifies requests signed by the test signer of Signature Version 2 (signer-v2.ts) at the time that it signs with. */

import { expect } from 'vitest'
import type { AuthResult, SigV2 } from '../auth/auth.ts'
import { authenticate } from '../auth/authenticate.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest, type FakeMessage } from './requests.ts'
import { TEST_NOW_MS } from './signer.ts'

export interface VerifyV2Options {
  readonly nowMs?: number
  readonly sigv2?: SigV2 | undefined
}

export async function verifyV2(
  message: FakeMessage,
  { nowMs = TEST_NOW_MS, sigv2 = 'on' }: VerifyV2Options = {},
): Promise<AuthResult> {
  return authenticate(fakeRequest(message), {
    lookup: async (id) => (id === EXAMPLE_CREDENTIAL.accessKeyId ? EXAMPLE_CREDENTIAL : undefined),
    lookupSession: async (_id, token) => (token === 'to/k+en==' ? EXAMPLE_CREDENTIAL : undefined),
    nowMs,
    region: 'us-east-1',
    sigv2,
  })
}

export function expectV2Refused(
  message: FakeMessage,
  code: string,
  options: VerifyV2Options = {},
): Promise<void> {
  return expect(verifyV2(message, options)).rejects.toMatchObject({ name: 'S3Error', code })
}
