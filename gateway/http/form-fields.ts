/** The fields of a form that uploads a file (POST), and the file itself. */

import { lowerCase } from './ascii.ts'
import { S3Error } from './errors.ts'

/** AWS's limit for everything in a form but the content of its file. */
export const UPLOAD_FORM_BYTES_MAX = 20_480

/** One field. Fields of the same name were joined. */
export interface FormField {
  /** As the client wrote it: case has no meaning. */
  readonly name: string
  readonly value: string
}

/** By lower-case name, in the order of the form. */
export type FormFields = ReadonlyMap<string, FormField>

/** The file of a form, which becomes the object. It is read once. */
export interface FormFile {
  /** The file has at most so many bytes. How many exactly is known only at its end. */
  readonly sizeBytesMax: number
  /**
   * Its content, piece by piece. `onBytes` is told how many raw bytes of the form arrived; when it returns a promise,
   * reading goes on when that resolves. Ends only when the whole form was well-formed, and the file has a size that the
   * form's policy allows. A piece is valid until the next one is asked for.
   */
  read(
    onBytes: ((count: number) => Promise<void> | undefined) | undefined,
  ): AsyncGenerator<Uint8Array>
}

/** A form that uploads a file. */
export interface SentForm {
  readonly fields: FormFields
  readonly file: FormFile
}

/** The fields whose value has a meaning for the upload. Two values of one of them would be ambiguous. */
const SINGLE: ReadonlySet<string> = new Set([
  'acl',
  'awsaccesskeyid',
  'bucket',
  'content-md5',
  'content-type',
  'expires',
  'key',
  'policy',
  'redirect',
  'signature',
  'success_action_redirect',
  'success_action_status',
  'tagging',
])
/** Metadata, and lists of grantees. */
const REPEATABLE_AMZ = /^x-amz-(?:meta-|grant-)/

const FILENAME = '${filename}'

/**
 * The fields with their variables replaced: `${filename}` is the name of the file, without its path; it is empty for a file
 * without a name. As in AWS, values of one name are joined with commas. Throws InvalidArgument for a second value of
 * a field that can have only one, MaxPostPreDataLengthExceeded when the replaced values are too long.
 */
export function formFieldsOf(
  parts: readonly FormField[],
  filename: string | undefined,
): FormFields {
  const fields = new Map<string, FormField>()
  for (const { name, value } of parts) {
    const lower = lowerCase(name)
    const before = fields.get(lower)
    if (before !== undefined && isSingle(lower)) {
      throw new S3Error('InvalidArgument', 'A field of the form was given more than once.', {
        details: { ArgumentName: name },
      })
    }
    fields.set(lower, before === undefined ? { name, value } : joined(before, value))
  }
  return withFilename(fields, plainName(filename ?? ''))
}

function isSingle(lower: string): boolean {
  return SINGLE.has(lower) || (lower.startsWith('x-amz-') && !REPEATABLE_AMZ.test(lower))
}

function joined({ name, value }: FormField, more: string): FormField {
  return { name, value: `${value},${more}` }
}

/** Only the text after the last slash or backslash counts. */
function plainName(filename: string): string {
  return filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
}

function withFilename(fields: FormFields, filename: string): FormFields {
  const replaced = new Map<string, FormField>()
  let characters = 0
  for (const [lower, { name, value }] of fields) {
    const uses = lower === 'policy' ? 0 : value.split(FILENAME).length - 1
    characters += value.length + uses * (filename.length - FILENAME.length)
    if (characters > UPLOAD_FORM_BYTES_MAX) throw formTooLarge()
    const text = uses === 0 ? value : value.replaceAll(FILENAME, () => filename)
    replaced.set(lower, { name, value: text })
  }
  return replaced
}

/** The error for more than 20,480 bytes besides the content of the file. */
export function formTooLarge(): S3Error {
  return new S3Error('MaxPostPreDataLengthExceeded', undefined, {
    details: { MaxPostPreDataLengthBytes: UPLOAD_FORM_BYTES_MAX },
  })
}

/** The error for a form without a field that it needs. `name` in AWS's spelling. */
export function missingField(name: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    { details: { ArgumentName: name, ArgumentValue: '' } },
  )
}
