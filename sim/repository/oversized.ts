/** Files that are larger than repository.test.ts allows, until they are split. Nothing is added here. */

/** More than 400 lines. */
export const LARGE_FILES: readonly string[] = [
  'gateway/admin/api.test.ts',
  'gateway/auth/authorize.test.ts',
  'gateway/auth/sigv4/verify.test.ts',
  'gateway/body/body.test.ts',
  'gateway/conformance/objects.ts',
  'gateway/http/documented.ts',
  'gateway/memory/memory-backend.ts',
  'gateway/overload.test.ts',
  'gateway/port/backend.ts',
  'gateway/server.test.ts',
  'gateway/server.ts',
  'gateway/testing/recorded-uploads.ts',
]

/** With a function of more than 70 lines. */
export const LARGE_FUNCTIONS: readonly string[] = [
  'gateway/access-log.test.ts',
  'gateway/admin/api.test.ts',
  'gateway/admin/metrics.ts',
  'gateway/auth/authorize.test.ts',
  'gateway/auth/condition-values.ts',
  'gateway/auth/sigv2/verify.test.ts',
  'gateway/auth/sigv4/verify.test.ts',
  'gateway/body/body.test.ts',
  'gateway/body/chunked.test.ts',
  'gateway/http/request.test.ts',
  'gateway/http/work-queue.test.ts',
  'gateway/http/xml.test.ts',
  'gateway/iam/operations.test.ts',
  'gateway/iam/query.test.ts',
  'gateway/overload.test.ts',
  'gateway/routes/compatibility.ts',
  'gateway/server.test.ts',
]
