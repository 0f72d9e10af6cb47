/** Verifies requests signed by the test signer (signer.ts) at the time that it signs with. */

import { expect } from 'vitest'
import { authenticate } from '../auth/authenticate.ts'
import type { AuthResult } from '../auth/auth.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest, type FakeMessage } from './requests.ts'
import { TEST_NOW_MS } from './signer.ts'

export async function verifyV4(message: FakeMessage, nowMs = TEST_NOW_MS): Promise<AuthResult> {
  return authenticate(fakeRequest(message), {
    lookup: async (id) => (id === EXAMPLE_CREDENTIAL.accessKeyId ? EXAMPLE_CREDENTIAL : undefined),
    nowMs,
    region: 'us-east-1',
  })
}

export function expectV4Refused(
  message: FakeMessage,
  code: string,
  nowMs = TEST_NOW_MS,
): Promise<void> {
  return expect(verifyV4(message, nowMs)).rejects.toMatchObject({ name: 'S3Error', code })
}
