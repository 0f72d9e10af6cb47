/** Forms of browsers that upload a file: multipart/form-data, and the policy in one of its fields. */

import { checkPostPolicy, parsePostPolicy } from '../../gateway/auth/form/policy.ts'
import {
  UPLOAD_FORM_BYTES_MAX,
  formFieldsOf,
  type FormField,
} from '../../gateway/http/form-fields.ts'
import { multipartBoundary, formText, MultipartParser } from '../../gateway/http/multipart.ts'
import { promise, some, subjectText, WORD, type Subject } from './subject.ts'

const BOUNDARY = '----shoal7MA4'
const TEXT = `${WORD}/-_. \r\n-"é`

/** The first line is the Content-Type. */
const multipart: Subject = {
  name: 'multipart forms',
  pieces: /--[^\r]*\r\n[^\r]*\r\n\r\n[^\r]*\r\n|[^:\r\n]+:[^\r]*\r\n|\r\n/g,
  share: 90,
  sizeMax: 64 * 1024,
  valid(random) {
    // Those of which there may be several.
    const names = ['other', 'x-amz-meta-a', 'x-ignore-b']
    const fields = some(random, 4, () => [random.pick(names), ''])
    const parts = [...fields, ['file', '; filename="${filename}"']].map(
      ([name, filename]) =>
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${subjectText(random, TEXT, 60)}\r\n`,
    )
    return `multipart/form-data; boundary=${BOUNDARY}\n${parts.join('')}--${BOUNDARY}--\r\n`
  },
  take(message, random) {
    const [type = ''] = message.split('\n', 1)
    const bytes = Buffer.from(message.slice(type.length + 1))
    const fields: FormField[] = []
    let filename: string | undefined
    let emitted = 0
    let open: { name: string; pieces: Uint8Array[] } | undefined
    const parser = new MultipartParser(multipartBoundary(type), {
      began(head) {
        promise(open === undefined, 'a part began in another')
        open = { name: head.name, pieces: [] }
        filename = head.filename
      },
      data(piece) {
        promise(open !== undefined && piece.length > 0, 'content without a part')
        emitted += piece.length
        open?.pieces.push(Uint8Array.from(piece))
      },
      ended() {
        const { name = '', pieces = [] } = open ?? {}
        fields.push({ name, value: formText(Buffer.concat(pieces)) })
        open = undefined
      },
    })
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(bytes.length > 1_000 ? 16_384 : 40)
      parser.push(bytes.subarray(at, end))
      promise(emitted <= bytes.length, 'more came out than went in')
      at = end
    }
    parser.end()
    promise(open === undefined, 'a part is still open')
    for (const { value } of fields) {
      promise(!`\r\n${value}`.includes(`\r\n--${BOUNDARY}`), 'a delimiter is in a field')
    }
    let characters = 0
    for (const { value } of formFieldsOf(fields, filename).values()) characters += value.length
    promise(characters <= UPLOAD_FORM_BYTES_MAX, 'the fields are too long')
    return true
  },
}

const policies: Subject = {
  name: 'policies of forms',
  pieces: /\{[^{}]*\}|\[[^[\]]*\]|"[^"]*"|\\./g,
  share: 60,
  sizeMax: UPLOAD_FORM_BYTES_MAX,
  valid(random) {
    const word = (): string => JSON.stringify(subjectText(random, TEXT, 12))
    const conditions = some(random, 6, () =>
      random.pick([
        `{"acl": ${word()}}`,
        `["eq", "$key", ${word()}]`,
        `["starts-with", "$Content-Type", ${word()}]`,
        `["content-length-range", ${random.below(9)}, "${random.below(99)}"]`,
      ]),
    )
    return `{ "expiration": "2027-01-01T00:00:00.000Z", "conditions": [${conditions.join(', ')}${random.pick(['', ','])}] }`
  },
  take(document) {
    const policy = parsePostPolicy(Buffer.from(document).toString('base64'))
    promise(Number.isFinite(policy.expirationMs), 'no expiration')
    const names = new Set(['bucket'])
    const fields: FormField[] = []
    // The form that meets as many of the conditions as can be met together.
    for (const condition of policy.conditions) {
      if (condition.type !== 'eq' && condition.type !== 'starts-with') continue
      const name = condition.name.slice(1)
      if (names.has(name)) continue
      names.add(name)
      fields.push({ name, value: condition.value })
    }
    const form = new Map(fields.map((field) => [field.name.toLowerCase(), field]))
    const nameless = { ...policy, conditions: [...policy.conditions] }
    nameless.conditions.push({ type: 'eq', name: '$bucket', value: 'bucket' })
    try {
      const range = checkPostPolicy(nameless, form, 'bucket', 0)
      promise(range.minBytes >= 0 && range.maxBytes >= 0, 'no range')
    } catch (error) {
      // A refusal of this form is fine; what was to be shown is that the document was parsed.
      promise((error as { code?: string }).code === 'AccessDenied', `refused by ${String(error)}`)
    }
    return true
  },
}

export const UPLOAD_FORM_SUBJECTS: readonly Subject[] = [multipart, policies]
