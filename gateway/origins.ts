/**
 * CORS at the ports: finds the rules of the bucket of a request, and asks s3/cross-origin.ts what they mean. Used by the
 * gate of S3 and that of websites.
 */

import { StoreError } from '../protocol/errors.ts'
import { ANONYMOUS } from './auth/authorize.ts'
import { S3Error } from './http/errors.ts'
import type { Exchange } from './http/exchange.ts'
import type { S3Request } from './http/request.ts'
import type { S3Response } from './http/response.ts'
import type { WorkQueue } from './http/work-queue.ts'
import type { Admission } from './overload/admission.ts'
import type { Backend } from './port/backend.ts'
import type { BucketAccess } from './port/buckets.ts'
import {
  answeringPreflight,
  bucketNotFound,
  isCrossOrigin,
  matchingRules,
  requireOrigin,
} from './s3/cross-origin.ts'

export interface OriginsOptions {
  readonly backend: Pick<Backend, 'bucketAccess'>
  readonly admission: Admission
  readonly workQueue: WorkQueue
}

/** One for each gateway. It keeps no state of requests. */
export class Origins {
  readonly #options: OriginsOptions

  constructor(options: OriginsOptions) {
    this.#options = options
  }

  /**
   * Answers a preflight. Browsers never sign it, so nothing of a signature is looked at, and it counts as a request
   * of an unknown caller. It reads the bucket's record as decisions do (T7), and never the object.
   */
  async preflight(request: S3Request, exchange: Exchange): Promise<S3Response> {
    const { backend, admission, workQueue } = this.#options
    exchange.operation = 'Preflight'
    // The answer itself carries the headers of the rule.
    exchange.crossOrigin = {}
    admission.identified(exchange, ANONYMOUS)
    requireOrigin(request)
    let access: BucketAccess
    try {
      access = await backend.bucketAccess(exchange, request.bucket ?? '')
    } catch (error) {
      const isMissing = error instanceof StoreError && error.code === 'NoSuchBucket'
      throw isMissing ? bucketNotFound(request) : error
    }
    exchange.served(access)
    const answering = answeringPreflight(request, access.settings.cors)
    return { status: 200, headers: await workQueue.run(answering, exchange) }
  }

  /**
   * Finds the headers of CORS for all answers of a request, also for its failure. `read` gives the record that the
   * decision about the request uses. When it cannot be read there are none, and the request fails by its own. Requests
   * without an Origin pay nothing.
   */
  applyRules(
    request: S3Request,
    exchange: Exchange,
    read: () => Promise<BucketAccess>,
  ): Promise<void> | undefined {
    return isCrossOrigin(request) ? this.#apply(request, exchange, read) : undefined
  }

  async #apply(
    request: S3Request,
    exchange: Exchange,
    read: () => Promise<BucketAccess>,
  ): Promise<void> {
    exchange.crossOrigin = {}
    try {
      const { cors } = (await read()).settings
      if (cors === undefined) return
      const headers = await this.#options.workQueue.run(matchingRules(request, cors), exchange)
      exchange.crossOrigin = headers ?? {}
    } catch {
      // The request reads the same record next, and reports why it cannot be read.
    }
  }

  /**
   * For a request of a browser that failed before its decision, as with a wrong signature: the page must be able to
   * read why. Requests that were refused because of load, or ended, cause no reads.
   */
  async findRules(error: unknown, request: S3Request, exchange: Exchange): Promise<void> {
    if (exchange.crossOrigin !== undefined || exchange.aborted !== undefined) return
    if (error instanceof S3Error && error.status === 503) return
    const { backend } = this.#options
    const { bucket = '' } = request
    await this.applyRules(request, exchange, () => backend.bucketAccess(exchange, bucket))
  }
}
