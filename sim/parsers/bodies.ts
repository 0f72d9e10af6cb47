/** Parsers of bodies: aws-chunked, the XML of each operation, forms of the query protocol. */

import { IAM_ACTIONS } from '../../gateway/iam/operations.ts'
import { checkParameters } from '../../gateway/iam/parameters.ts'
import { FORM_BYTES_MAX, parseForm } from '../../gateway/iam/query.ts'
import { COMPLETE_LIMITS, parsingParts } from '../../gateway/s3/complete.ts'
import { DELETE_LIMITS } from '../../gateway/s3/delete.ts'
import {
  ENCRYPTION_LIMITS,
  encryptionXml,
  parseEncryption,
} from '../../gateway/s3/bucket-encryption.ts'
import { LIFECYCLE_LIMITS, lifecycleXml, parseLifecycle } from '../../gateway/s3/lifecycle.ts'
import { BLOCK_LIMITS, parsePublicAccessBlock } from '../../gateway/s3/policy.ts'
import { parseVersioning, VERSIONING_LIMITS } from '../../gateway/s3/versioning.ts'
import { ChunkedDecoder } from '../../gateway/body/chunked.ts'
import {
  LOCK_LIMITS,
  lockSettingXml,
  parseLegalHold,
  parseLockSetting,
  parseRetention,
  retentionXml,
} from '../../gateway/http/locks.ts'
import { parseTags, tagSetXml, TAGGING_LIMITS } from '../../gateway/http/tags.ts'
import { encodeUrl, parsingXml, xmlDate, type XmlElement } from '../../gateway/http/xml.ts'
import { escapeXml, xmlDocument } from '../../gateway/http/xml-text.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { finish, type Work } from '../../protocol/work.ts'
import { promise, some, subjectText, WORD, type Subject } from './subject.ts'

const TEXT = `${WORD}/-_. &<>"'é😀`

/** The first line is x-amz-decoded-content-length. */
const chunked: Subject = {
  name: 'aws-chunked',
  pieces: /[0-9a-f]+\r\n[^\r]+\r\n|[^:\r\n]+:[^\r]*\r\n/g,
  share: 130,
  sizeMax: 64 * 1024,
  valid(random) {
    const chunks = some(random, 4, () => subjectText(random, WORD, 40, 1))
    const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
    return `${chunks.join('').length}\n${framed}0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n`
  },
  take(message, random) {
    const [length = ''] = message.split('\n', 1)
    if (!/^\d{1,15}$/.test(length)) return false
    const bytes = Buffer.from(message.slice(length.length + 1), 'latin1')
    const announced = Number(length)
    const decoder = new ChunkedDecoder({
      decodedBytes: announced,
      trailers: ['x-amz-checksum-crc32'],
    })
    let emitted = 0
    const emit = (data: Uint8Array): void => void (emitted += data.length)
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(bytes.length > 1_000 ? 16_384 : 40)
      decoder.push(bytes.subarray(at, end), emit)
      promise(emitted <= announced, 'more came out than was announced')
      promise(emitted <= bytes.length, 'more came out than went in')
      at = end
    }
    decoder.end()
    promise(emitted === announced, 'less came out than was announced')
    promise(decoder.trailers.size === 1, 'a trailer is missing')
    return true
  },
}

function element(name: string, ...content: readonly string[]): string {
  return `<${name}>${content.join('')}</${name}>`
}

function optional(random: SmallRandom, xml: string): string {
  return random.chance(0.3) ? xml : ''
}

interface Document {
  readonly limits: { readonly maxBytes: number; readonly maxElements: number }
  valid(random: SmallRandom): string
  read(root: XmlElement): void
}

const word = (random: SmallRandom): string => escapeXml(subjectText(random, TEXT, 12, 1))

/** Only what a tag may have. */
const tagWord = (random: SmallRandom): string => subjectText(random, `${WORD}+-=._:/@ é`, 12)

const lockMode = (random: SmallRandom): string =>
  element('Mode', random.pick(['GOVERNANCE', 'COMPLIANCE']))
/** What aborts uploads has no filter by size or tag. */
function lifecycleRule(random: SmallRandom, at: number): string {
  const prefix = element('Prefix', word(random))
  const aborts = random.chance(0.3)
  const others = [
    prefix,
    element('ObjectSizeGreaterThan', `${random.below(9)}`),
    element('And', prefix, element('Tag', element('Key', 'k'), element('Value', word(random)))),
  ]
  const days = `${1 + random.below(9)}`
  return element(
    'Rule',
    element('ID', `${at}${word(random)}`),
    element('Filter', aborts ? prefix : random.pick(others)),
    '<Status>Enabled</Status>',
    aborts
      ? element('AbortIncompleteMultipartUpload', element('DaysAfterInitiation', days))
      : random.pick([
          element('Expiration', element('Days', days)),
          element('Expiration', '<Date>2030-01-01T00:00:00Z</Date>'),
          element(
            'NoncurrentVersionExpiration',
            element('NoncurrentDays', days),
            optional(random, '<NewerNoncurrentVersions>3</NewerNoncurrentVersions>'),
          ),
        ]),
  )
}

const ENCRYPTION_ROOT = 'ServerSideEncryptionConfiguration'

const documents: Readonly<Record<string, Document>> = {
  keys: {
    limits: DELETE_LIMITS,
    valid: (random) =>
      element(
        'Delete',
        ...some(random, 6, () =>
          element(
            'Object',
            element('Key', word(random)),
            optional(random, '<VersionId>null</VersionId>'),
          ),
        ),
        optional(random, '<Quiet>true</Quiet>'),
      ),
    read: (root) => promise(root.children.length <= DELETE_LIMITS.maxElements, 'too many'),
  },
  rules: {
    limits: LIFECYCLE_LIMITS,
    valid: (random) =>
      element(
        'LifecycleConfiguration',
        ...Array.from({ length: 1 + random.below(3) }, (_, at) => lifecycleRule(random, at)),
      ),
    read(root) {
      const rules = parseLifecycle(root)
      for (const { days, noncurrentDays, abortDays } of rules) {
        for (const each of [days, noncurrentDays, abortDays]) {
          promise(each === undefined || (each >= 1 && each < 2 ** 31), `a rule of ${each} days`)
        }
      }
      const shown = Buffer.from(xmlDocument('LifecycleConfiguration', lifecycleXml(rules)))
      const again = parseLifecycle(finish(parsingXml(shown, LIFECYCLE_LIMITS)))
      promise(JSON.stringify(again) === JSON.stringify(rules), 'other rules when shown')
    },
  },
  versioning: {
    limits: VERSIONING_LIMITS,
    valid: (random) =>
      element('VersioningConfiguration', element('Status', random.pick(['Enabled', 'Suspended']))),
    read: (root) => promise(['Enabled', 'Suspended'].includes(parseVersioning(root)), 'no state'),
  },
  tags: {
    limits: TAGGING_LIMITS,
    valid: (random) =>
      element(
        'Tagging',
        element(
          'TagSet',
          ...Array.from({ length: random.below(5) }, (_, at) =>
            element(
              'Tag',
              element('Key', `${at}${tagWord(random)}`),
              element('Value', tagWord(random)),
            ),
          ),
        ),
      ),
    read(root) {
      const tags = parseTags(root, 'Object')
      promise(tags.length <= 10, 'too many tags')
      promise(new Set(tags.map(({ key }) => key)).size === tags.length, 'two tags with one key')
      for (const { key, value } of tags) {
        promise(key.length >= 1 && key.length <= 128 && value.length <= 256, 'a tag is too long')
      }
      const shown = Buffer.from(xmlDocument('Tagging', tagSetXml(tags)))
      const again = parseTags(finish(parsingXml(shown, TAGGING_LIMITS)), 'Object')
      promise(JSON.stringify(again) === JSON.stringify(tags), 'other tags when shown')
    },
  },
  lockSetting: {
    limits: LOCK_LIMITS,
    valid: (random) =>
      element(
        'ObjectLockConfiguration',
        '<ObjectLockEnabled>Enabled</ObjectLockEnabled>',
        optional(
          random,
          `<Rule><DefaultRetention>${lockMode(random)}${element(random.pick(['Days', 'Years']), `${1 + random.below(100)}`)}</DefaultRetention></Rule>`,
        ),
      ),
    read(root) {
      const setting = parseLockSetting(root)
      const { days = 0, years = 0 } = setting.defaultRetention ?? { days: 1 }
      promise(days + years >= 1 && days <= 36_500 && years <= 100, 'a period out of its limits')
      const shown = Buffer.from(xmlDocument('ObjectLockConfiguration', lockSettingXml(setting)))
      const again = parseLockSetting(finish(parsingXml(shown, LOCK_LIMITS)))
      promise(JSON.stringify(again) === JSON.stringify(setting), 'another setting when shown')
    },
  },
  retention: {
    limits: LOCK_LIMITS,
    valid: (random) =>
      element(
        'Retention',
        lockMode(random),
        element('RetainUntilDate', xmlDate(random.below(4_000_000) * 1_000_000)),
      ),
    read(root) {
      const retention = parseRetention(root)
      if (retention === null) return promise(root.children.length === 0, 'no retention')
      const shown = Buffer.from(xmlDocument('Retention', retentionXml(retention)))
      const again = parseRetention(finish(parsingXml(shown, LOCK_LIMITS)))
      promise(JSON.stringify(again) === JSON.stringify(retention), 'another retention when shown')
    },
  },
  hold: {
    limits: LOCK_LIMITS,
    valid: (random) => element('LegalHold', element('Status', random.pick(['ON', 'OFF']))),
    read: (root) => promise([true, false].includes(parseLegalHold(root)), 'no status'),
  },
  encryption: {
    limits: ENCRYPTION_LIMITS,
    valid: (random) =>
      element(
        ENCRYPTION_ROOT,
        element(
          'Rule',
          '<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>',
          optional(
            random,
            '<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>',
          ),
          optional(random, '<BucketKeyEnabled>true</BucketKeyEnabled>'),
        ),
      ),
    read(root) {
      const encryption = parseEncryption(root)
      promise(encryption.algorithm !== undefined, 'nothing is encrypted')
      const shown = Buffer.from(xmlDocument(ENCRYPTION_ROOT, encryptionXml(encryption)))
      const again = parseEncryption(finish(parsingXml(shown, ENCRYPTION_LIMITS)))
      promise(JSON.stringify(again) === JSON.stringify(encryption), 'another rule when shown')
    },
  },
  block: {
    limits: BLOCK_LIMITS,
    valid: (random) =>
      element(
        'PublicAccessBlockConfiguration',
        element('BlockPublicPolicy', random.pick(['true', 'false'])),
        optional(random, '<IgnorePublicAcls>TRUE</IgnorePublicAcls>'),
      ),
    read: (root) =>
      promise(
        Object.values(parsePublicAccessBlock(root)).every((on) => on === !!on),
        'no switch',
      ),
  },
}

const xml: Subject = {
  name: 'XML',
  pieces: /<(\w+)>[^<]*<\/\1>|<(\w+)><(\w+)>[^<]*<\/\3><\/\2>/g,
  share: 90,
  sizeMax: 64 * 1024,
  valid(random) {
    const declaration = optional(random, '<?xml version="1.0" encoding="UTF-8"?>\n')
    return declaration + (documents[random.pick(Object.keys(documents))] as Document).valid(random)
  },
  take(body) {
    const bytes = Buffer.from(body)
    // By the root that it has, as the operations would.
    const name = /<([A-Z][A-Za-z]+)/.exec(body)?.[1] ?? ''
    const document = documents[ROOTS[name] ?? 'keys'] as Document
    const root = sliced(parsingXml(bytes, document.limits), bytes.length)
    promise(elementsOf(root) <= document.limits.maxElements, 'more elements than may be')
    document.read(root)
    return true
  },
}

const ROOTS: Readonly<Record<string, string>> = {
  [ENCRYPTION_ROOT]: 'encryption',
  LifecycleConfiguration: 'rules',
  VersioningConfiguration: 'versioning',
  PublicAccessBlockConfiguration: 'block',
  Tagging: 'tags',
  ObjectLockConfiguration: 'lockSetting',
  Retention: 'retention',
  LegalHold: 'hold',
}

/** In slices of a few KiB each. */
function sliced<T>(work: Work<T>, length: number): T {
  for (let slices = 0; ; slices++) {
    promise(slices <= length / 2_048 + 1, 'more slices than text')
    const step = work.next()
    if (step.done === true) return step.value
  }
}

function elementsOf({ children }: XmlElement): number {
  return children.reduce((sum, child) => sum + elementsOf(child), 1)
}

const parts: Subject = {
  name: 'lists of parts',
  pieces: /<(\w+)>[^<]*<\/\1>|<Part>.*?<\/Part>/g,
  share: 50,
  sizeMax: 64 * 1024,
  valid: (random) =>
    element(
      'CompleteMultipartUpload',
      ...Array.from({ length: 1 + random.below(5) }, (_, at) =>
        element('Part', element('PartNumber', `${at + 1}`), element('ETag', `"${word(random)}"`)),
      ),
    ),
  take(body) {
    const bytes = Buffer.from(body)
    const listed = sliced(parsingParts(bytes), bytes.length)
    promise(listed.length >= 1 && listed.length <= COMPLETE_LIMITS.maxElements, 'so many parts')
    for (const { partNumber } of listed) {
      promise(Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= 10_000, 'no number')
    }
    return true
  },
}

const ACTIONS = [...IAM_ACTIONS.keys()]

const forms: Subject = {
  name: 'forms',
  pieces: /(?:^|&)[^&]*/g,
  share: 120,
  sizeMax: FORM_BYTES_MAX,
  valid(random) {
    const tags = some(random, 3, () => subjectText(random, WORD, 6, 1)).flatMap((key, at) => [
      `Tags.member.${at + 1}.Key=${encodeUrl(key)}`,
      `Tags.member.${at + 1}.Value=${encodeUrl(subjectText(random, TEXT, 6).toWellFormed())}`,
    ])
    return [
      'Action=CreateUser',
      'Version=2010-05-08',
      `UserName=${subjectText(random, WORD, 20, 1)}`,
      ...tags,
    ].join('&')
  },
  take(body, random) {
    const form = parseForm(Buffer.from(body, 'latin1'))
    const action = form['Action']
    const known = typeof action === 'string' ? IAM_ACTIONS.get(action) : undefined
    const row = known ?? IAM_ACTIONS.get(random.pick(ACTIONS))
    const checked = checkParameters(row?.parameters ?? {}, form)
    promise(Object.getPrototypeOf(checked) === null, 'parameters have a prototype')
    return known !== undefined
  },
}

export const BODY_SUBJECTS: readonly Subject[] = [chunked, xml, parts, forms]
