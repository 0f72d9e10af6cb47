/** Parsers of access control lists and of ownership: documents, and headers with grants. */

import {
  ACL_HEADERS,
  ACL_LIMITS,
  aclXml,
  grantsOfHeaders,
  parseAcl,
} from '../../gateway/s3/acl-grants.ts'
import { OWNERSHIP_LIMITS, parseOwnership } from '../../gateway/s3/ownership.ts'
import { parsingXml } from '../../gateway/http/xml.ts'
import { xmlDocument } from '../../gateway/http/xml-text.ts'
import { ACL_GROUPS, ACL_PERMISSIONS, type AclGrant } from '../../protocol/iam/acl.ts'
import type { SmallRandom } from '../../protocol/iam/testing/cases.ts'
import { finish } from '../../protocol/work.ts'
import { parsedHeaders } from './headers.ts'
import { promise, some, subjectText, WORD, type Subject } from './subject.ts'

const GROUP = 'http://acs.amazonaws.com/groups/'
const URIS = [
  `${GROUP}global/AllUsers`,
  `${GROUP}global/AuthenticatedUsers`,
  `${GROUP}s3/LogDelivery`,
]

function account(random: SmallRandom): string {
  return subjectText(random, `${WORD}&é`, 14, 1).replaceAll('&', '&amp;')
}

function grantElement(random: SmallRandom): string {
  const grantee = random.chance(0.5)
    ? `<Grantee><ID>${account(random)}</ID><DisplayName>x</DisplayName></Grantee>`
    : `<Grantee><URI>${random.pick(URIS)}</URI></Grantee>`
  return `<Grant>${grantee}<Permission>${random.pick(ACL_PERMISSIONS)}</Permission></Grant>`
}

const lists: Subject = {
  name: 'access control lists',
  pieces: /<(\w+)>[^<]*<\/\1>|<(\w+)><(\w+)>[^<]*<\/\3><\/\2>|<Grant>.*?<\/Grant>/g,
  share: 40,
  sizeMax: 64 * 1024,
  valid(random) {
    if (random.chance(0.1)) {
      const rule = random.pick(['ObjectWriter', 'BucketOwnerPreferred', 'BucketOwnerEnforced'])
      return `<OwnershipControls><Rule><ObjectOwnership>${rule}</ObjectOwnership></Rule></OwnershipControls>`
    }
    const grants = some(random, 5, () => grantElement(random)).join('')
    return `<AccessControlPolicy><Owner><ID>${account(random)}</ID></Owner><AccessControlList>${grants}</AccessControlList></AccessControlPolicy>`
  },
  take(body) {
    if (body.includes('<OwnershipControls')) {
      const text = parseOwnership(finish(parsingXml(Buffer.from(body), OWNERSHIP_LIMITS)))
      promise(/^(BucketOwner(Enforced|Preferred)|ObjectWriter)$/.test(text), 'no ownership')
      return true
    }
    const { owner, grants } = parseAcl(finish(parsingXml(Buffer.from(body), ACL_LIMITS)))
    wellFormed(grants)
    const shown = Buffer.from(xmlDocument('AccessControlPolicy', aclXml(owner, grants)))
    const again = parseAcl(finish(parsingXml(shown, ACL_LIMITS)))
    const same = JSON.stringify(again) === JSON.stringify({ owner, grants })
    promise(same, 'another list when shown')
    return true
  },
}

function wellFormed(grants: readonly AclGrant[]): void {
  promise(grants.length <= 100, 'too many grants')
  for (const each of grants) {
    promise((each.account === undefined) !== (each.group === undefined), 'not one grantee')
    promise(each.account !== '', 'an account without an id')
    promise(each.group === undefined || ACL_GROUPS.includes(each.group), 'no group')
    promise(ACL_PERMISSIONS.includes(each.permission), 'no permission')
  }
}

const grantHeaders: Subject = {
  name: 'headers with grants',
  pieces: /[^,=\n"]+|[,="\n]/g,
  share: 30,
  sizeMax: 16 * 1024,
  valid(random) {
    const grantees = (): string =>
      Array.from({ length: 1 + random.below(3) }, () =>
        random.chance(0.5)
          ? `id="${subjectText(random, WORD, 12, 1)}"`
          : `uri=${random.pick(URIS)}`,
      ).join(random.pick([',', ', ']))
    if (random.chance(0.2))
      return `x-amz-acl: ${random.pick(['public-read', 'bucket-owner-full-control'])}`
    const names = ACL_HEADERS.filter((name) => name !== 'x-amz-acl' && random.chance(0.4))
    return [...names, 'x-amz-grant-read'].map((name) => `${name}: ${grantees()}`).join('\n')
  },
  take(head) {
    const grants = grantsOfHeaders(parsedHeaders(head), { owner: 'owner', bucketOwner: 'bucket' })
    if (grants === undefined) return false
    promise(grants.length > 0, 'a list without a grant')
    wellFormed(grants)
    return true
  },
}

export const ACL_SUBJECTS: readonly Subject[] = [lists, grantHeaders]
