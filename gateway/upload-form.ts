/**
 * A form that uploads a file, on its way through the gate (gate.ts): its fields are read, then the gate finds out who signed
 * it, then the form is compared with its policy and becomes the request of a PutObject, whose body is the file.
 *
 * What is read before the caller is known is at most 20,480 bytes and one piece of the body, counts for the address of the
 * client, and has a deadline, like the forms of IAM and STS (admission.ts).
 */

import { checkPostPolicy, parsePostPolicy } from './auth/form/policy.ts'
import { FormReader, type FileLimits } from './body/form-reader.ts'
import { S3Error } from './http/errors.ts'
import type { Exchange } from './http/exchange.ts'
import type { FormFields } from './http/form-fields.ts'
import { formRequest, formKeyOf, refuseFraming } from './http/form-request.ts'
import type { S3Request } from './http/request.ts'
import { SMALL_BODY_BYTES, type Admission } from './overload/admission.ts'
import { MAX_OBJECT_PUT_BYTES } from './s3/common.ts'
import type { Operation } from './s3/operation.ts'

/** Made by the gate for each PostObject whose body is multipart/form-data. Call `close` in the end. */
export class UploadForm {
  readonly #request: S3Request
  readonly #operation: Operation
  readonly #reader: FormReader

  /**
   * Reads nothing. Throws NotImplemented for a signature in the header or the query, MissingContentLength,
   * MalformedPOSTRequest, InvalidRequest.
   */
  constructor(request: S3Request, operation: Operation) {
    refuseSignature(request)
    refuseFraming(request)
    this.#request = request
    this.#operation = operation
    this.#reader = new FormReader(request)
  }

  /** Reads what comes before the file, and checks that there is a key. Throws SlowDown, and the errors of a malformed form. */
  async readFields(exchange: Exchange, admission: Admission): Promise<FormFields> {
    admission.gather(exchange, SMALL_BODY_BYTES)
    exchange.sendContinue()
    const fields = await this.#reader.readFields((count) => {
      exchange.bytesMoved += count
      admission.gathered(exchange, count)
    })
    // The beginning of the file is counted again, for its caller, when the body is read.
    exchange.bytesMoved -= this.#reader.pendingBytes
    formKeyOf(fields)
    return fields
  }

  /**
   * The request that the form means. Call it when the signature is verified. Throws AccessDenied, InvalidPolicyDocument,
   * EntityTooLarge, and what `formRequest` throws.
   */
  upload(fields: FormFields, nowMs: number): S3Request {
    const { bucket = '' } = this.#request
    const policy = fields.get('policy')?.value
    let limits: FileLimits = { minBytes: 0, maxBytes: MAX_OBJECT_PUT_BYTES }
    if (policy !== undefined) {
      const range = checkPostPolicy(parsePostPolicy(policy), fields, bucket, nowMs)
      limits = { ...range, maxBytes: Math.min(range.maxBytes, limits.maxBytes) }
    }
    const { headers, refusedHeaders, misplaced } = this.#operation
    const matters = (name: string): boolean =>
      headers.has(name.startsWith('x-amz-meta-') ? 'x-amz-meta-*' : name) ||
      refusedHeaders.has(name) ||
      misplaced.has(name)
    return formRequest(this.#request, { fields, file: this.#reader.file(limits) }, matters)
  }

  close(): void {
    this.#reader.close()
  }
}

/** A form is signed by its fields. AWS's pages describe no other way. */
function refuseSignature({ headers, query }: S3Request): void {
  const isSigned =
    headers['authorization'] !== undefined ||
    ['X-Amz-Signature', 'X-Amz-Algorithm', 'X-Amz-Credential', 'Signature', 'AWSAccessKeyId'].some(
      (name) => query.has(name),
    )
  if (!isSigned) return
  throw new S3Error('NotImplemented', 'A form is signed by its fields, not by a header or a query')
}
