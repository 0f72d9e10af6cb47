/** Policies of all kinds: parsed, judged and evaluated, in steps that grow with policy and request. */

import { isPublicPolicy, parsingBucketPolicy } from '../../protocol/iam/bucket-policy.ts'
import { deciding } from '../../protocol/iam/decide.ts'
import { parsePolicy, type Policy, type PolicyKind } from '../../protocol/iam/policy.ts'
import { covering } from '../../protocol/iam/rights.ts'
import { parseStrictJson } from '../../protocol/iam/strict-json.ts'
import { randomPolicy, randomQuestion, type SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { finish, Meter } from '../../protocol/work.ts'
import { promise, type Subject } from './subject.ts'

const SIZE = 20_480

/** Evaluating takes at most so many steps for a character of the policy, for requests as these. */
const STEPS_PER_CHARACTER = 600

function policySubject(kind: PolicyKind, share: number): Subject {
  return {
    name: `policies, ${kind}`,
    pieces: /"[^"]*"|\{[^{}]*\}|\[[^[\]]*\]/g,
    share,
    sizeMax: SIZE,
    valid: (random) => JSON.stringify(randomPolicy(random, kind, 2)),
    take(text, random) {
      const policy = parsePolicy(text, kind)
      promise(policy.statements.length > 0, 'a policy without statements')
      // What JSON.parse would refuse is no policy either.
      promise(JSON.parse(text) !== undefined, 'no JSON')
      evaluate(policy, text.length, random)
      return true
    },
  }
}

function evaluate(policy: Policy, length: number, random: SmallRandom): void {
  const ask = randomQuestion(random)
  const named = { name: 'p', policy }
  const meter = new Meter()
  const { kind } = policy
  const alone = { identityPolicies: [], sessionPolicies: undefined, resourcePolicy: undefined }
  const question =
    kind === 'identity'
      ? { ...ask, ...alone, identityPolicies: [named] }
      : { ...ask, ...alone, resourcePolicy: named, resourceMustAllow: kind === 'trust' }
  finish(deciding(question, meter))
  promise(meter.steps <= 1_000 + length * STEPS_PER_CHARACTER, `${meter.steps} steps for ${length}`)
  if (kind === 'resource') isPublicPolicy(policy)
  if (kind === 'identity' && random.chance(0.1)) {
    promise(
      isPlain(policy) ? finish(covering([policy], [policy])) : true,
      'it does not cover itself',
    )
  }
}

/** Covers at least itself: nothing in it depends on who asks, and it says nothing by exception. */
function isPlain({ statements }: Policy): boolean {
  return statements.every(
    ({ effect, conditions, exceptActions, exceptResources, resources }) =>
      effect === 'Allow' &&
      conditions.length === 0 &&
      !exceptActions &&
      !exceptResources &&
      resources.every(({ compiled }) => compiled !== undefined),
  )
}

const bucketPolicies: Subject = {
  name: 'bucket policies',
  pieces: /"[^"]*"|\{[^{}]*\}|\[[^[\]]*\]/g,
  share: 40,
  sizeMax: SIZE,
  valid: (random) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: Array.from({ length: 1 + random.below(3) }, () => ({
        Effect: random.pick(['Allow', 'Deny']),
        Principal: random.pick(['*', { AWS: '111111111111' }, { AWS: ['*', '222222222222'] }]),
        Action: random.pick(['s3:GetObject', 's3:*', ['s3:Get*', 's3:PutObject']]),
        Resource: random.pick(['arn:aws:s3:::b/*', ['arn:aws:s3:::b/a', 'arn:aws:s3:::b/x/*']]),
        Condition: random.pick([
          undefined,
          { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', `${random.below(256)}.0.0.0/9`] } },
        ]),
      })),
    }),
  take(text) {
    promise(
      typeof isPublicPolicy(finish(parsingBucketPolicy(text, 'b'))) === 'boolean',
      'no verdict',
    )
    return true
  },
}

const json: Subject = {
  name: 'strict JSON',
  pieces: /"[^"]*"(?::"[^"]*")?|\{[^{}]*\}|\[[^[\]]*\]/g,
  share: 60,
  sizeMax: SIZE,
  valid: (random) => JSON.stringify(randomPolicy(random, 'identity', 2)),
  take(text) {
    let value: unknown
    try {
      value = parseStrictJson(text)
    } catch (error) {
      if ((error as Error).name === 'JsonError') return false
      throw error
    }
    promise(
      JSON.stringify(value) === JSON.stringify(JSON.parse(text)),
      'another value than JSON.parse',
    )
    return true
  },
}

export const POLICY_SUBJECTS: readonly Subject[] = [
  policySubject('identity', 70),
  policySubject('resource', 50),
  policySubject('trust', 30),
  bucketPolicies,
  json,
]
