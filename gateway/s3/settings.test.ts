import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DAY_MS, type LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import { S3Error } from '../http/errors.ts'
import { parseTags, TAGGING_LIMITS } from '../http/tags.ts'
import { parseXml } from '../http/xml.ts'
import { xmlDocument } from '../http/xml-text.ts'
import { CORS_LIMITS, parseCors } from './cors.ts'
import { LIFECYCLE_LIMITS, lifecycleXml, parseLifecycle } from './lifecycle.ts'
import { BLOCK_LIMITS, parsePublicAccessBlock } from './policy.ts'
import { parseVersioning, VERSIONING_LIMITS } from './versioning.ts'

/** Text that XML can contain. */
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength }).filter((one) => !/\p{Cc}|\ufffe|\uffff/u.test(one))

const days = fc.integer({ min: 1, max: 0x7fffffff })
const prefix = text(200)
const tags = fc.uniqueArray(
  fc.record({ key: text(20).filter((key) => key !== ''), value: text(20) }),
  {
    minLength: 1,
    maxLength: 3,
    selector: ({ key }) => key,
  },
)
const midnight = fc.integer({ min: 0, max: 40_000 }).map((day) => day * DAY_MS)

/** What is written alone, and what needs `<And>`. */
const filter = fc.oneof(
  fc.record({ prefix }),
  fc.record({ sizeAbove: fc.nat() }),
  fc.record({ sizeBelow: fc.nat() }),
  tags.map(([one]) => ({ tags: [one!] })),
  fc
    .record({ prefix, tags, sizeAbove: fc.nat({ max: 9 }), sizeBelow: fc.constant(10) })
    .map((all) => ({ ...all, and: true as const })),
)
const action = fc.oneof(
  fc.record({ days }),
  fc.record({ dateMs: midnight }),
  fc.record({ noncurrentDays: days }),
  fc.record({ days, noncurrentDays: days, newerNoncurrent: fc.integer({ min: 1, max: 100 }) }),
)
const rule: fc.Arbitrary<LifecycleRule> = fc.oneof(
  fc
    .tuple(
      fc.record({ id: text(60).filter((id) => id !== ''), enabled: fc.boolean() }),
      filter,
      action,
    )
    .map(([head, where, what]) => ({ ...head, ...where, ...what })),
  fc.record({
    id: text(60).filter((id) => id !== ''),
    enabled: fc.boolean(),
    prefix,
    expiredMarkers: fc.boolean(),
    abortDays: days,
  }),
)

function bytes(xml: string): Uint8Array {
  return Buffer.from(xml)
}

describe('lifecycle', () => {
  test('the shown document can be sent back', () => {
    const rules = fc.uniqueArray(rule, {
      minLength: 1,
      maxLength: 20,
      selector: (one) => one.id,
    })
    fc.assert(
      fc.property(rules, (given) => {
        const shown = xmlDocument('LifecycleConfiguration', lifecycleXml(given))
        expect(parseLifecycle(parseXml(bytes(shown), LIFECYCLE_LIMITS))).toEqual(given)
      }),
    )
  })

  test('a rule without an id gets the same one each time', () => {
    const xml = xmlDocument(
      'LifecycleConfiguration',
      ['a', 'b']
        .map(
          (prefix) =>
            `<Rule><Prefix>${prefix}</Prefix><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>`,
        )
        .join(''),
    )
    const [first, second] = parseLifecycle(parseXml(bytes(xml), LIFECYCLE_LIMITS))
    expect(first?.id).toMatch(/^[\w-]{32}$/)
    expect(second?.id).not.toBe(first?.id)
    expect(parseLifecycle(parseXml(bytes(xml), LIFECYCLE_LIMITS))).toEqual([first, second])
  })
})

/** Names of elements that the settings know, or that could be mistaken for something else. */
const NAMES = [
  'LifecycleConfiguration',
  'Rule',
  'ID',
  'Filter',
  'Prefix',
  'And',
  'Status',
  'AbortIncompleteMultipartUpload',
  'DaysAfterInitiation',
  'Expiration',
  'VersioningConfiguration',
  'MfaDelete',
  'PublicAccessBlockConfiguration',
  'BlockPublicPolicy',
  'CORSConfiguration',
  'CORSRule',
  'AllowedOrigin',
  'AllowedMethod',
  'MaxAgeSeconds',
  'Tagging',
  'TagSet',
  'Tag',
  'Key',
  'Value',
  '__proto__',
  'constructor',
]

describe('random and damaged settings', () => {
  const { element } = fc.letrec<{ element: string; content: string }>((tie) => ({
    element: fc
      .tuple(fc.constantFrom(...NAMES), tie('content'))
      .map(([name, content]) => `<${name}>${content}</${name}>`),
    content: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.constantFrom('Enabled', 'Disabled', 'Suspended', 'true', '1', '-1', '1e3', '', ' 7 '),
      fc.array(tie('element'), { maxLength: 4 }).map((children) => children.join('')),
    ),
  }))
  const damaged = fc
    .tuple(element, fc.nat(), fc.uint8Array({ maxLength: 3 }))
    .map(([xml, at, junk]) => {
      const whole = Buffer.from(xml)
      const cut = at % (whole.length + 1)
      return Buffer.concat([whole.subarray(0, cut), junk, whole.subarray(cut)])
    })

  test('are refused with an S3Error, or are valid', () => {
    const refusedOr = (run: () => unknown): unknown => {
      try {
        return run()
      } catch (error) {
        expect(error).toBeInstanceOf(S3Error)
        expect([400, 501]).toContain((error as S3Error).status)
        return undefined
      }
    }
    const given = fc.oneof(
      element.map((xml) => bytes(xml)),
      damaged,
    )
    fc.assert(
      fc.property(given, (body) => {
        expect([undefined, 'Enabled', 'Suspended']).toContain(
          refusedOr(() => parseVersioning(parseXml(body, VERSIONING_LIMITS))),
        )
        refusedOr(() => parsePublicAccessBlock(parseXml(body, BLOCK_LIMITS)))
        refusedOr(() => parseCors(parseXml(body, CORS_LIMITS)))
        refusedOr(() => parseTags(parseXml(body, TAGGING_LIMITS), 'Bucket'))
        const rules = refusedOr(() => parseLifecycle(parseXml(body, LIFECYCLE_LIMITS))) as
          LifecycleRule[] | undefined
        for (const { abortDays = 1 } of rules ?? []) expect(abortDays).toBeGreaterThan(0)
      }),
      { numRuns: 3000 },
    )
  })
})
