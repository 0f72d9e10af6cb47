/** Who signs requests: an access key, the identity behind it, and the policies that speak about it. */

/** A policy that speaks about its holder, and how an explanation names it. */
export interface PolicyText {
  /** ARN of a managed policy; of an inline one 'user/ann/policy-name', 'group/…', 'role/…'. */
  readonly name: string
  /** JSON as it was given. */
  readonly text: string
}

/** Who signed, with what right: policies are evaluated by protocol/iam. */
export interface Identity {
  readonly accountId: string
  /** 'arn:aws:iam::123456789012:user/ann', '…:root', 'arn:aws:sts::…:assumed-role/role/session'. */
  readonly principalArn: string
  /** aws:userid: the account's id for root, AIDA…, AROA…:session. */
  readonly principalId: string
  /** aws:username of a user; '' of a role's session; 'root'. */
  readonly userName: string
  /** aws:PrincipalType. */
  readonly type: 'Account' | 'User' | 'AssumedRole' | 'Anonymous'
  readonly isRoot: boolean
  /** Identity policies, of groups too; root has none and may do everything in its account. */
  readonly policies: readonly PolicyText[]
  /** Of a session: what it may do at most. Absent: no limit of its own. */
  readonly sessionPolicies?: readonly PolicyText[] | undefined
  /** Of a role's session: the role's ARN, which policies may name as principal too. */
  readonly roleArn?: string | undefined
  /** Of a session: when its token was issued (aws:TokenIssueTime). */
  readonly tokenIssuedMs?: number | undefined
}

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly identity: Identity
}

export interface CredentialBackend {
  /** Undefined when there is no such key, or it is inactive. Cached at most 1 s, then re-read, or
   * Unavailable: nobody is let in on what may be out of date (T7). */
  credential(accessKeyId: string): Promise<Credential | undefined>
  /** Of temporary credentials. The token alone says who it is; what that identity may do is read as in
   * `credential`. Throws StoreError ExpiredToken or InvalidToken. */
  sessionCredential(accessKeyId: string, token: string): Promise<Credential | undefined>
}
