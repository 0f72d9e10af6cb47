import { expect, test } from 'vitest'
import { auditedNames } from './audit.ts'

test('an audit line has only names, no documents and no secrets', () => {
  const form = {
    Action: 'PutUserPolicy',
    UserName: 'ann',
    PolicyName: 'p'.repeat(1_000),
    PolicyDocument: '{"Statement":[]}',
    AccessKeyId: ['a', 'list'],
    SecretAccessKey: 'secret',
  }
  expect(auditedNames(form)).toEqual({ userName: 'ann', policyName: 'p'.repeat(256) })
})
