/** The suite that the gateway's unit tests run over its memory backend, here on real nodes. */

import { CONFORMANCE_CASES, runCase } from '../../../gateway/conformance/conformance.ts'
import type { Suite } from '../suite.ts'

export const conformance: Suite = {
  name: 'conformance',
  async run(context) {
    const { accessKeyId, secretAccessKey } = context.credentials
    for (const each of CONFORMANCE_CASES) {
      const endpoint = context.nextEndpoint()
      const target = { endpoint, region: 'us-east-1', accessKeyId, secretAccessKey }
      await context.step(each.name, () => runCase(each, target, 'conformance'))
    }
  },
}
