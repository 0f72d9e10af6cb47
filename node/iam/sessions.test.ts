import { expect, test } from 'vitest'
import { Sessions, type SessionSubject } from './sessions.ts'

const ROOT: SessionSubject = {
  kind: 'root',
  principalArn: 'arn:aws:iam::1:root',
  accountId: '1',
  entityId: '1',
  name: 'root',
  sessionName: '',
  policy: '',
  policyArns: [],
  policyIds: [],
}

test.each([899, 3_601])('a session of root does not last %i seconds', async (seconds) => {
  const sessions = new Sessions({} as never)
  await expect(sessions.issue(ROOT, seconds)).rejects.toThrow(/lasts from 900 to 3600/)
})
