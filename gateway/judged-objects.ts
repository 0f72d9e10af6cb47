/**
 * What decisions about one request have learned of objects: each is read at most once, and only when a condition asks
 * for it. What was learned is compared with what is then answered or changed, so that no answer rests on a decision
 * about another state of the object.
 *
 * An object that does not exist, or is a delete marker, has nothing to be known: conditions find no values. So a denied
 * caller is answered alike whether it is missing or has other tags than a policy wants.
 */

import { StoreError } from '../protocol/errors.ts'
import type { RequestContext } from '../protocol/context.ts'
import type { Access } from './auth/authorize.ts'
import type { NamedObject } from './auth/condition-values.ts'
import type { Backend } from './port/backend.ts'
import { sameFacts, type ObjectFacts } from './port/objects.ts'

/** Failures of a read that mean that there is no version to know anything of. */
const MISSING: ReadonlySet<string> = new Set([
  'NoSuchBucket',
  'NoSuchKey',
  'NoSuchVersion',
  'IsDeleteMarker',
])

/**
 * What a decision has taken an object for that was not read: one of the bucket's account. It holds for an object without an
 * owner of its own, and for one that is missing.
 */
const ASSUMED = 'assumed'

interface Judgement {
  readonly access: Access
  facts: ObjectFacts | typeof ASSUMED
}

function isTrue({ facts }: Judgement, found: ObjectFacts): boolean {
  return facts === ASSUMED ? found?.acl?.owner === undefined : sameFacts(facts, found)
}

/** One for each request. */
export class JudgedObjects {
  readonly #store: Backend
  readonly #context: RequestContext
  readonly #read = new Map<string, Promise<ObjectFacts>>()
  /** The decisions that a fact has decided, with the fact. */
  readonly #decisions: Judgement[] = []

  constructor(store: Backend, context: RequestContext) {
    this.#store = store
    this.#context = context
  }

  /** Reads what the decision about `access` needs. Throws what the store throws, unless the object is missing. */
  async facts(access: Access, object: NamedObject): Promise<ObjectFacts> {
    const name = nameOf(object)
    let read = this.#read.get(name)
    if (read === undefined) {
      read = this.#facts(object)
      this.#read.set(name, read)
    }
    const facts = await read
    this.#decisions.push({ access, facts })
    return facts
  }

  async #facts({ bucket, key, versionId }: NamedObject): Promise<ObjectFacts> {
    try {
      const wanted = { bucket, key, versionId, withData: false }
      const { info } = await this.#store.getObject(this.#context, wanted)
      return { versionId: info.versionId, tags: info.tags, acl: info.acl }
    } catch (error) {
      if (error instanceof StoreError && MISSING.has(error.code)) return null
      throw error
    }
  }

  /** What was learned of this object; undefined when no decision has asked for it. */
  judged(object: NamedObject): ObjectFacts | undefined {
    const read = this.#decisionsAbout(object).find(({ facts }) => facts !== ASSUMED)
    return read?.facts as ObjectFacts | undefined
  }

  /** Notes a decision that has taken an object for one of the bucket's account. */
  assume(access: Access): void {
    this.#decisions.push({ access, facts: ASSUMED })
  }

  /** The decisions about this object that must be made again, because `found` is what there is. */
  outdated(object: NamedObject, found: ObjectFacts): Access[] {
    const decisions = this.#decisionsAbout(object)
    const outdated = decisions.filter((each) => !isTrue(each, found))
    for (const decision of decisions) decision.facts = found
    return outdated.map(({ access }) => access)
  }

  #decisionsAbout(object: NamedObject): Judgement[] {
    if (this.#decisions.length === 0) return []
    const name = nameOf(object)
    return this.#decisions.filter(
      ({ access }) => access.object !== undefined && nameOf(access.object) === name,
    )
  }
}

function nameOf({ bucket, key, versionId = '' }: NamedObject): string {
  return `${bucket}/${versionId}/${key}`
}
