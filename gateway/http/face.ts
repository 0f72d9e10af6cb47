import type { Client } from './client.ts'
import type { Exchange } from './exchange.ts'
import type { IncomingMessage } from 'node:http'
import type { S3Request } from './request.ts'
import type { S3Response } from './response.ts'

/** What a port does with the requests of HTTP that come to it: S3 and IAM (gate.ts), or the visits of websites. */
export interface Face {
  /** The methods that `OPTIONS *` is answered with. */
  readonly methods: string
  /** Throws S3Error. */
  parse(message: IncomingMessage, client: Client): S3Request
  /** Never throws: failures become answers. The first chunk of a stream may still fail. */
  handle(request: S3Request, exchange: Exchange): Promise<S3Response>
  /** The answer to a failure. `request` is undefined when it could not be parsed. */
  failure(error: unknown, request: S3Request | undefined, exchange: Exchange): S3Response
}
