/** Sessions of those who have no key of their own, in the run of identities (iam.ts). */

import type { TestIssuer } from '../../node/iam/testing/issuer.ts'
import { AwsAs as Aws } from './aws-as.ts'
import { allowing, untilItCounts, type People } from './iam-people.ts'
import { equal } from './suite.ts'

/** A token of an OIDC provider is exchanged, without a signature, for a session that every node lets in. */
export async function tokensOfProvider(people: People, issuer: TestIssuer): Promise<void> {
  const { root, context } = people
  const created = await root.run(
    'iam',
    'create-open-id-connect-provider',
    '--url',
    issuer.url,
    '--client-id-list',
    'e2e',
  )
  const arn = String(created['OpenIDConnectProviderArn'])
  const statement = {
    Effect: 'Allow',
    Principal: { Federated: arn },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringEquals: { 'idp.example.org/e2e:sub': 'ci' } },
  }
  const trust = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
  const name = ['--role-name', 'ci']
  const role = await root.run('iam', 'create-role', ...name, '--assume-role-policy-document', trust)
  const roleArn = String((role['Role'] as unknown as Record<string, string>)['Arn'])
  const grant = allowing('s3:GetObject', 'arn:aws:s3:::alpha/*')
  const policy = ['--policy-name', 'read', '--policy-document', grant]
  await root.run('iam', 'put-role-policy', ...name, ...policy)
  await untilItCounts()
  const iat = Math.floor(Date.now() / 1000)
  const tokenOf = (sub: string): Promise<string> =>
    issuer.token({ sub, aud: 'e2e', iat, exp: iat + 600 })
  const unsigned = new Aws(context, { accessKeyId: '', secretAccessKey: '' })
  const assume = async (sub: string): Promise<string[]> => [
    'sts',
    'assume-role-with-web-identity',
    '--role-arn',
    roleArn,
    '--role-session-name',
    'run',
    '--web-identity-token',
    await tokenOf(sub),
  ]
  const answer = await unsigned.run(...(await assume('ci')))
  const given = answer['Credentials'] as unknown as Record<string, string>
  const session = new Aws(context, {
    accessKeyId: String(given['AccessKeyId']),
    secretAccessKey: String(given['SecretAccessKey']),
    sessionToken: String(given['SessionToken']),
  })
  for (let i = 0; i < 3; i++) await session.run(...people.get('alpha', 'x'))
  equal(await session.refused(...people.put('alpha', 'y')), 'AccessDenied', 'the role reads only')
  equal(await unsigned.refused(...(await assume('eve'))), 'AccessDenied', 'another subject')
  console.log('a token of an OIDC provider, exchanged for a session of a role')
}
