import { ACL_SUBJECTS } from './acls.ts'
import { BODY_SUBJECTS } from './bodies.ts'
import { ENCRYPTION_SUBJECTS } from './encryption.ts'
import { HEADER_SUBJECTS } from './headers.ts'
import { NOTIFICATION_SUBJECTS } from './notifications.ts'
import { POLICY_SUBJECTS } from './policies.ts'
import { PROXY_SUBJECTS } from './proxies.ts'
import { SIGNATURE_SUBJECTS } from './signatures.ts'
import type { Subject } from './subject.ts'
import { TOKEN_SUBJECTS } from './tokens.ts'
import { UPLOAD_FORM_SUBJECTS } from './upload-forms.ts'
import { WEBSITE_SUBJECTS } from './websites.ts'

/** Every parser that reads what a caller sends. */
export const SUBJECTS: readonly Subject[] = [
  ...SIGNATURE_SUBJECTS,
  ...BODY_SUBJECTS,
  ...POLICY_SUBJECTS,
  ...HEADER_SUBJECTS,
  ...UPLOAD_FORM_SUBJECTS,
  ...ACL_SUBJECTS,
  ...PROXY_SUBJECTS,
  ...ENCRYPTION_SUBJECTS,
  ...WEBSITE_SUBJECTS,
  ...NOTIFICATION_SUBJECTS,
  ...TOKEN_SUBJECTS,
]
