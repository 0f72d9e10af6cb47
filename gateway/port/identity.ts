/** Who signs requests: access keys, the identities behind them, and the policies of these identities. */

/** A policy of an identity, and how an explanation names it. */
export interface PolicyText {
  /** The ARN of a managed policy. Inline policies: 'user/ann/policy-name', 'group/…', 'role/…'. */
  readonly name: string
  /** JSON, exactly as the client sent it. */
  readonly text: string
}

/** Who signed a request. protocol/iam evaluates the policies. */
export interface Identity {
  readonly accountId: string
  /** 'arn:aws:iam::123456789012:user/ann', '…:root', 'arn:aws:sts::…:assumed-role/role/session'. */
  readonly principalArn: string
  /** aws:userid: the account's id for root, AIDA… for a user, AROA…:session for a role's session. */
  readonly principalId: string
  /** aws:username. 'root' for root, '' for a role's session. */
  readonly userName: string
  /** aws:PrincipalType. */
  readonly type: 'Account' | 'User' | 'AssumedRole' | 'Anonymous'
  readonly isRoot: boolean
  /** Identity policies, including those of groups. Root has none and may do everything in its account. */
  readonly policies: readonly PolicyText[]
  /** Policies that limit what a session may do. Absent when the session has no limit of its own. */
  readonly sessionPolicies?: readonly PolicyText[] | undefined
  /** The permissions boundary of a user, or of a session's user or role. */
  readonly boundary?: PolicyText | undefined
  /** The role of a role's session. Policies may name it as principal too. */
  readonly roleArn?: string | undefined
  /**
   * Condition values of a session that it got with its token, by lower-case key: who proved it to an identity provider
   * ('idp.example.org:sub').
   */
  readonly keys?: ReadonlyMap<string, readonly string[]> | undefined
  /** When the token of a session was issued (aws:TokenIssueTime). */
  readonly tokenIssuedMs?: number | undefined
}

/** An access key. The gateway verifies signatures with its secret. */
export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly identity: Identity
}

/** Finds out whose access key signed a request. */
export interface CredentialBackend {
  /** Undefined when the key does not exist or is inactive. The answer is at most 1 s old; throws Unavailable
   * rather than trust an older one (T7). */
  credential(accessKeyId: string): Promise<Credential | undefined>
  /** Temporary credentials. The token alone says whose they are; the rights of that identity are read as in
   * `credential`. Throws StoreError ExpiredToken or InvalidToken. */
  sessionCredential(accessKeyId: string, token: string): Promise<Credential | undefined>
}
