/**
 * The IAM role of a node, put together: who signs a request (resolve.ts), the actions of the query
 * API (service.ts and its modules), and the sessions that they create (sessions.ts). Made once, by
 * wire-identities.ts of node/assembly.
 */

import type { Credential } from '../../gateway/port/identity.ts'
import type { IamBackend } from '../../gateway/port/iam-backend.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import type { Clock, Network, Random, TokenSigner, WebTokens } from '../env/ports.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { AccessKeys } from './access-keys.ts'
import { Accounts, type Holdings } from './accounts.ts'
import { Aliases } from './aliases.ts'
import { Attachments } from './attachments.ts'
import { Boundaries } from './boundaries.ts'
import { ClusterKeys } from './cluster-keys.ts'
import { KeyActions } from './key-actions.ts'
import { Groups } from './groups.ts'
import type { NamedEntity, Names } from './names.ts'
import { Policies } from './policies.ts'
import { PolicyUses } from './policy-uses.ts'
import { Principals } from './principals.ts'
import { Providers } from './providers.ts'
import { Records } from './records.ts'
import { Resolver, rootIdentity } from './resolve.ts'
import { Rights } from './rights.ts'
import { Roles } from './roles.ts'
import { unseal } from '../layout/secret-encryption.ts'
import { IamService } from './service.ts'
import { Rotation } from './rotation.ts'
import { Sessions, type SessionCluster } from './sessions.ts'
import { AccountDetails } from './account-details.ts'
import { contextKeyActions } from './context-keys.ts'
import { Simulations } from './simulate.ts'
import { Sts } from './sts.ts'
import type { SurroundingsOptions } from './surroundings.ts'
import { Users } from './users.ts'
import { WebIdentities } from './web-identity.ts'

/** What the role needs of its node. */
export interface IdentitiesOptions {
  /** Every record of an identity is a register of its own. */
  readonly registers: RegisterClient
  /**
   * How keys are divided into partitions, from the genesis record. Throws while this node is not a
   * member.
   */
  readonly keyspace: () => Keyspace
  /** The limit of accounts without one of their own. */
  readonly bucketsPerAccount: number
  readonly clock: Clock
  readonly random: Random
  /**
   * Tells the other nodes of changed records, so that they read them again early. Correctness does
   * not depend on it (T7).
   */
  readonly network: Pick<Network, 'publish' | 'subscribe'>
  /** The policies of all buckets of an account that have one, as they are now. */
  readonly bucketPolicies: SurroundingsOptions['bucketPolicies']
  readonly tokens: TokenSigner
  /** Tokens of OIDC providers. Without it none counts. */
  readonly webTokens?: WebTokens | undefined
  /**
   * The cluster that this node is a member of. Throws StoreError Unavailable while the node does not
   * have the secret in force.
   */
  readonly cluster: () => {
    readonly id: string
    /** The cluster secret in force, 32 bytes. */
    readonly secret: Uint8Array
    /** The secret before it, while sessions that it signed are still valid. */
    readonly previous?: SessionCluster['previous']
    /** From the genesis record; its secret as encrypted with the cluster secret in force. */
    readonly rootAccount: {
      readonly accountId: string
      readonly accessKeyId: string
      readonly sealedSecret: string
    }
  }
}

/** Holds the parts that the rest of the node uses. */
export class Identities {
  /**
   * Encrypts access keys again after a rotation of the cluster secret. status/secret-upkeep.ts runs
   * it.
   */
  readonly rotation: Rotation
  /** The keys that wrap the data keys of objects. */
  readonly clusterKeys: ClusterKeys
  /** The actions of the query API: the gateway's port. */
  readonly service: IamBackend
  /** The look-up of who signed, for each request. */
  readonly resolver: Resolver
  /** ARNs in policies to ids and back, for bucket policies. */
  readonly principals: Principals

  constructor(options: IdentitiesOptions) {
    const { clock, random, network, tokens, cluster } = options
    const records = new Records(options.registers, options.keyspace)
    const sessions = new Sessions({ tokens, clock, random, cluster })
    const root = rootCredentials(cluster)
    this.resolver = new Resolver({ records, sessions, clock, network, root, cluster })
    records.onChange((kind, name) => this.resolver.changed(kind, name))
    this.principals = new Principals(records, () => cluster().rootAccount.accountId)
    const { principals } = this
    const uses = new PolicyUses(records)
    const attachments = new Attachments(records, random, uses)
    const boundaries = new Boundaries(uses, random)
    const rights = new Rights({
      records,
      bucketPolicies: options.bucketPolicies,
      roles: (context, accountId) => roles.all(context, accountId),
    })
    const common = { records, clock, random, rights, attachments, boundaries, uses }
    const users = new Users(common)
    const groups = new Groups({ ...common, users })
    const roles: Roles = new Roles({ ...common, principals })
    const policies = new Policies(common)
    const providers = new Providers({ ...common, roles })
    const firstAccount = () => cluster().rootAccount
    const clusterSecret = () => cluster().secret
    const accessKeys = new AccessKeys({ ...common, users, clusterSecret, firstAccount })
    const aliases = new Aliases(common)
    const accounts = new Accounts({
      ...common,
      aliases,
      accessKeys,
      firstAccount,
      bucketsPerAccount: options.bucketsPerAccount,
      holdings: [
        { word: 'users', ...holdingsOf(users.names) },
        { word: 'groups', ...holdingsOf(groups.names) },
        { word: 'roles', ...holdingsOf(roles.names) },
        { word: 'policies', ...holdingsOf(policies.names) },
        { word: 'providers', ...holdingsOf(providers.names) },
      ],
    })
    this.clusterKeys = new ClusterKeys({ records, clock, random, cluster })
    const { clusterKeys } = this
    this.rotation = new Rotation({ records, clock, random, cluster, accounts, users, clusterKeys })
    const modules = [
      users,
      groups,
      accessKeys,
      accounts,
      aliases,
      roles,
      policies,
      providers,
      new KeyActions({ clusterKeys, firstAccount }),
      new Simulations({ records, roles }),
      { actions: () => contextKeyActions({ records, roles }) },
      new AccountDetails({ ...common, users, groups, roles, policies }),
      new Sts({ records, sessions, roles, root }),
      new WebIdentities({ records, sessions, roles, providers, webTokens: options.webTokens }),
    ]
    this.service = new IamService({
      modules: modules.map((module) => module.actions()),
      entities: { user: users.entityOf, group: groups.entityOf, role: roles.entityOf },
    })
  }
}

/** Decrypts the root's secret again only when it has changed. */
function rootCredentials(cluster: IdentitiesOptions['cluster']): () => Credential {
  let known: Credential | undefined
  let knownFrom = ''
  return () => {
    const now = cluster()
    if (known === undefined || now.rootAccount.sealedSecret !== knownFrom) {
      known = rootCredential(now)
      knownFrom = now.rootAccount.sealedSecret
    }
    return known
  }
}

function rootCredential({
  secret,
  rootAccount,
}: ReturnType<IdentitiesOptions['cluster']>): Credential {
  return {
    accessKeyId: rootAccount.accessKeyId,
    secretAccessKey: unseal(secret, rootAccount.sealedSecret),
    identity: rootIdentity(rootAccount.accountId),
  }
}

function holdingsOf<T extends NamedEntity>(names: Names<T>): Omit<Holdings, 'word'> {
  return {
    list: (context, accountId) => names.list(context, accountId),
    isOccupied: (context, accountId) => names.isOccupied(context, accountId),
  }
}
