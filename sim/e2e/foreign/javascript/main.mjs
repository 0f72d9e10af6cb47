/** Runs the suites of the AWS SDK v2, of forms by its version 3, and of minio, one line a step. */

import { awsSuite } from './aws-v2.mjs'
import { formSuite } from './aws-v3.mjs'
import { minioSuite } from './minio.mjs'

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = '1'
await awsSuite()
await formSuite()
await minioSuite()
console.log('done')
