/** The most work that IAM's API can be asked for, within its limits and quotas. */

import type { XmlElement } from '../../../gateway/http/xml.ts'
import { QueryClient } from '../../../node/cli/query-client.ts'
import type { Credentials } from '../../../bench/harness/sign.ts'

const clock = { nowMs: () => Date.now() }
const PATIENCE_MS = 120_000

export function iamOf(endpoint: string, credentials: Credentials): QueryClient {
  return new QueryClient(new URL(endpoint), credentials, clock, PATIENCE_MS)
}

function valueOf({ name, text, children }: XmlElement, wanted: string): string | undefined {
  if (name === wanted) return text
  for (const child of children) {
    const found = valueOf(child, wanted)
    if (found !== undefined) return found
  }
  return undefined
}

export async function makeUser(root: QueryClient, name: string): Promise<Credentials> {
  await root.run('CreateUser', { UserName: name })
  return makeKey(root, name)
}

async function makeKey(root: QueryClient, name: string): Promise<Credentials> {
  const made = await root.run('CreateAccessKey', { UserName: name })
  const accessKeyId = valueOf(made, 'AccessKeyId') ?? ''
  return { accessKeyId, secretAccessKey: valueOf(made, 'SecretAccessKey') ?? '' }
}

export function policyOf(statements: readonly unknown[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

/** Statements until the document has so many characters. */
function filled(characters: number, statementAt: (index: number) => unknown): string {
  const statements: unknown[] = []
  for (;;) {
    const longer = policyOf([...statements, statementAt(statements.length)])
    if (longer.length > characters) return policyOf(statements)
    statements.push(statementAt(statements.length))
  }
}

/** A pattern on which a search goes far before it fails. */
function stubborn(index: number): string {
  return `arn:aws:s3:::${'a?'.repeat(20)}*${'a'.repeat(20)}b*${index}`
}

/** Policies, actions and resources until the form is as large as one may be. Resolves with the answer. */
export async function simulatePolicies(endpoint: string, user: Credentials): Promise<string> {
  const parameters: Record<string, string> = {}
  const document = filled(2_000, (index) => ({
    Effect: 'Deny',
    Action: 's3:*',
    Resource: [stubborn(index), stubborn(index + 1)],
  }))
  for (let i = 1; i <= 30; i++) parameters[`PolicyInputList.member.${i}`] = document
  for (let i = 1; i <= 100; i++) parameters[`ActionNames.member.${i}`] = `s3:Get${i}`
  for (let i = 1; i <= 100; i++) {
    parameters[`ResourceArns.member.${i}`] = `arn:aws:s3:::${'a'.repeat(900)}${i}`
  }
  parameters['MaxItems'] = '1000'
  return outcome(() => iamOf(endpoint, user).run('SimulateCustomPolicy', parameters))
}

const POLICIES_EACH = 10
const GROUPS = 6

/**
 * Two users with as many managed policies as groups may carry: `maker` may make keys for `target`, if it has
 * all rights that `target` has, which no policy says in the same words.
 */
export async function makeHeavyUsers(root: QueryClient): Promise<Credentials> {
  const maker = await makeUser(root, 'maker')
  await root.run('CreateUser', { UserName: 'target' })
  const right = { Effect: 'Allow', Action: 'iam:CreateAccessKey', Resource: '*' }
  await root.run('PutUserPolicy', {
    UserName: 'maker',
    PolicyName: 'keys',
    PolicyDocument: policyOf([right]),
  })
  for (const user of ['maker', 'target']) {
    for (let group = 0; group < GROUPS; group++) {
      const name = `${user}-${group}`
      await root.run('CreateGroup', { GroupName: name })
      for (let policy = 0; policy < POLICIES_EACH; policy++) {
        const text = filled(6_100, (index) => ({
          Effect: 'Allow',
          Action: `s3:Get*${policy}`,
          Resource: `arn:aws:s3:::${user === 'maker' ? '*' : 'a'}a*a*b${group}${policy}${index}`,
        }))
        const made = await root.run('CreatePolicy', {
          PolicyName: `${name}-${policy}`,
          PolicyDocument: text,
        })
        const PolicyArn = valueOf(made, 'Arn') ?? ''
        await root.run('AttachGroupPolicy', { GroupName: name, PolicyArn })
      }
      await root.run('AddUserToGroup', { GroupName: name, UserName: user })
    }
  }
  return maker
}

export function createKey(endpoint: string, maker: Credentials): Promise<string> {
  return outcome(() => iamOf(endpoint, maker).run('CreateAccessKey', { UserName: 'target' }))
}

/** One at a time, a few times: `3×AccessDenied, 7100 ms the longest`. */
async function outcome(ask: () => Promise<XmlElement>): Promise<string> {
  const counts = new Map<string, number>()
  let longestMs = 0
  for (let time = 0; time < 3; time++) {
    const startedMs = performance.now()
    const what = await ask().then(
      () => 'answered',
      (error: unknown) => (error as Error).message.split(':')[0] ?? '',
    )
    longestMs = Math.max(longestMs, performance.now() - startedMs)
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  const shown = [...counts].map(([what, count]) => `${count}×${what}`).join(' ')
  return `${shown}, ${longestMs.toFixed(0)} ms the longest`
}
