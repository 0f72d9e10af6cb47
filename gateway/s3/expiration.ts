/** Headers that say what the bucket's lifecycle will do with an object or an upload, and when. */

import type { RuleTime } from '../../protocol/lifecycle/rule.ts'
import { httpDate, type ResponseHeaders } from '../http/response.ts'

/** Nothing is added where no rule lets the object expire. */
export function addExpiration(headers: ResponseHeaders, expiration: RuleTime | undefined): void {
  if (expiration === undefined) return
  const { atMs, ruleId } = expiration
  headers['x-amz-expiration'] =
    `expiry-date="${httpDate(atMs)}", rule-id="${encodeURIComponent(ruleId)}"`
}

/** Nothing is added where no rule aborts the upload. */
export function addAbort(headers: ResponseHeaders, abort: RuleTime | undefined): void {
  if (abort === undefined) return
  headers['x-amz-abort-date'] = httpDate(abort.atMs)
  headers['x-amz-abort-rule-id'] = encodeURIComponent(abort.ruleId)
}
