/**
 * OIDC identity providers: actions of the query API on them. Whose tokens count for a role is said by its trust policy,
 * which means a provider by its id (web-identity.ts).
 */

import type { RequestContext } from '../../protocol/context.ts'
import type { IamCall, IamResult } from '../../gateway/port/iam-backend.ts'
import { PROVIDER_NAME, providerArn, providerOfArn } from '../../protocol/iam/identity.ts'
import {
  CLIENT_IDS_MAX,
  THUMBPRINTS_MAX,
  type ProviderRecord,
} from '../../protocol/iam/provider-record.ts'
import { iamTagsOf, shownTags, withoutTags, withTags, type ModuleOptions } from './common.ts'
import { entityNames, tagPage } from './entities.ts'
import { invalidInput, limitExceeded, noSuchEntity } from './errors.ts'
import { uniqueId } from './ids.ts'
import type { Names } from './names.ts'
import { requiredText, textsOf } from './parameters.ts'
import { PROVIDER, readAll } from './records.ts'
import type { Roles } from './roles.ts'
import type { IamActions } from './service.ts'

/** AWS's default quota. */
const PROVIDERS_MAX = 100
const URL_START = 'https://'
const THUMBPRINT = /^[0-9A-Fa-f]{40}$/

export interface ProvidersOptions extends ModuleOptions {
  readonly roles: Pick<Roles, 'mustCoverTrusting'>
}

/** Answers the actions about OIDC providers. Holds no state: everything is in registers. */
export class Providers {
  /** Names are URLs without 'https://'. Providers are never renamed. */
  readonly names: Names<ProviderRecord>
  readonly #options: ProvidersOptions

  constructor(options: ProvidersOptions) {
    this.#options = options
    this.names = entityNames(options, {
      kind: PROVIDER,
      word: 'identity provider',
      quota: 'OpenIdConnectProvidersPerAccount',
      entriesMax: PROVIDERS_MAX,
    })
  }

  /** The handlers of this module, for service.ts. */
  actions(): IamActions {
    return {
      CreateOpenIDConnectProvider: (call) => this.#create(call),
      GetOpenIDConnectProvider: async (call) => shown(await this.#named(call)),
      ListOpenIDConnectProviders: (call) => this.#list(call),
      DeleteOpenIDConnectProvider: async (call) => {
        await this.names.remove(call.context, await this.#named(call), () => {})
        return {}
      },
      AddClientIDToOpenIDConnectProvider: (call) => this.#addClientId(call),
      RemoveClientIDFromOpenIDConnectProvider: (call) => {
        const removed = requiredText(call, 'ClientID')
        return this.#change(call, (provider) => ({
          ...provider,
          clientIds: provider.clientIds.filter((each) => each !== removed),
        }))
      },
      UpdateOpenIDConnectProviderThumbprint: (call) => {
        const thumbprints = thumbprintsOf(call)
        return this.#change(call, (provider) => ({ ...provider, thumbprints }))
      },
      TagOpenIDConnectProvider: (call) =>
        this.#change(call, (provider) => ({ ...provider, tags: withTags(provider.tags, call) })),
      UntagOpenIDConnectProvider: (call) =>
        this.#change(call, (provider) => ({ ...provider, tags: withoutTags(provider.tags, call) })),
      ListOpenIDConnectProviderTags: async (call) => tagPage(call, (await this.#named(call)).tags),
    }
  }

  /** The provider of the account whose tokens have this issuer. Throws StoreError Unavailable. */
  ofIssuer(
    context: RequestContext,
    accountId: string,
    issuer: string,
  ): Promise<ProviderRecord | undefined> {
    if (!issuer.startsWith(URL_START)) return Promise.resolve(undefined)
    const name = issuer.slice(URL_START.length)
    if (!PROVIDER_NAME.test(name)) return Promise.resolve(undefined)
    return this.names.find(context, accountId, name)
  }

  /** No role trusts a provider that is new, so nobody gets a right by it. */
  async #create(call: IamCall): Promise<IamResult> {
    const url = requiredText(call, 'Url')
    const name = url.slice(URL_START.length)
    if (!url.startsWith(URL_START) || !PROVIDER_NAME.test(name)) {
      throw invalidInput(
        'The URL of an identity provider is https://, a host name with a dot, and a path if it has one; it has no port and no query.',
      )
    }
    const provider: ProviderRecord = {
      accountId: call.caller.accountId,
      id: uniqueId(this.#options.random, 'provider'),
      name,
      createdMs: Math.floor(call.nowMs),
      clientIds: [...new Set(textsOf(call, 'ClientIDList'))],
      thumbprints: thumbprintsOf(call),
      tags: iamTagsOf(call),
    }
    await this.names.create(call.context, provider)
    return {
      OpenIDConnectProviderArn: providerArn(provider.accountId, name),
      Tags: shownTags(provider.tags),
    }
  }

  async #list({ context, caller: { accountId } }: IamCall): Promise<IamResult> {
    const entries = await this.names.entries(context, accountId)
    const found = await readAll(entries, (entry) => this.names.ofEntry(context, accountId, entry))
    const present = found.filter((provider) => provider !== undefined)
    return {
      OpenIDConnectProviderList: present.map(({ name }) => ({ Arn: providerArn(accountId, name) })),
    }
  }

  /** Tokens for one more audience count for every role that trusts the provider and does not ask for the audience (F31). */
  async #addClientId(call: IamCall): Promise<IamResult> {
    const added = requiredText(call, 'ClientID')
    await this.#options.roles.mustCoverTrusting(call, (await this.#named(call)).id)
    return this.#change(call, (provider) => {
      const clientIds = [...new Set([...provider.clientIds, added])]
      if (clientIds.length > CLIENT_IDS_MAX) {
        throw limitExceeded(
          `Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${CLIENT_IDS_MAX}`,
        )
      }
      return { ...provider, clientIds }
    })
  }

  /** The provider that the call names. Throws IamError NoSuchEntity, InvalidInput. */
  #named({ context, caller, ...call }: IamCall): Promise<ProviderRecord> {
    const arn = requiredText({ context, caller, ...call }, 'OpenIDConnectProviderArn')
    const parts = providerOfArn(arn)
    if (parts === undefined) throw invalidInput(`Invalid ARN: ${arn.slice(0, 256)}`)
    // The gate refuses those of other accounts.
    if (parts.accountId !== caller.accountId) throw noSuchEntity('identity provider', arn)
    return this.names.get(context, caller.accountId, parts.name)
  }

  async #change(
    call: IamCall,
    edit: (current: ProviderRecord) => ProviderRecord,
  ): Promise<IamResult> {
    const provider = await this.#named(call)
    await this.names.change(call.context, provider, (current) => ({ write: edit(current) }))
    return {}
  }
}

/** Throws IamError InvalidInput. */
function thumbprintsOf(call: IamCall): string[] {
  const thumbprints = [...new Set(textsOf(call, 'ThumbprintList'))]
  if (!thumbprints.every((each) => THUMBPRINT.test(each))) {
    throw invalidInput('A thumbprint has 40 hexadecimal digits.')
  }
  return thumbprints.slice(0, THUMBPRINTS_MAX)
}

function shown({ name, clientIds, thumbprints, createdMs, tags }: ProviderRecord): IamResult {
  return {
    Url: name,
    ClientIDList: clientIds,
    ThumbprintList: thumbprints,
    CreateDate: new Date(createdMs),
    Tags: shownTags(tags),
  }
}
