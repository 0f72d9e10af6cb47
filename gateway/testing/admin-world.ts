/** What tests of the admin port work with: a server over a backend that answers with fixed values. */

import { afterEach } from 'vitest'
import { createAdmin, type Admin } from '../admin/api.ts'
import type { TlsCertificate } from '../http/certificates.ts'
import { GatewayMetrics } from '../admin/metrics.ts'
import { sendUnsigned, type RawResponse } from '../conformance/world.ts'
import type { AdminBackend } from '../port/admin.ts'
import type { LayoutPlan, LayoutTable } from '../port/layout.ts'
import type { NodeStatus } from '../port/status.ts'

export const ADMIN_SECRET = 'c0'.repeat(32)
export const WITH_CREDENTIAL = { host: '127.0.0.1', authorization: `Bearer ${ADMIN_SECRET}` }

export const EXAMPLE_LOSSES = { id: '0123456789abcdef', epoch: 7, sources: [], registers: [] }
export const EXAMPLE_SCRUB = {
  running: false,
  passes: 1,
  doneBytes: 10,
  totalBytes: 10,
  records: 5,
  bad: 2,
  badRows: 1,
  mended: 2,
  missing: 0,
  fetched: 0,
  lost: 0,
  unknown: 0,
  left: 1,
}

function exampleBackend(changes: unknown[]): AdminBackend {
  return {
    notReadyReason: () => undefined,
    status: () => Promise.resolve({ node: 'n' } as NodeStatus),
    issueToken: ({ ttlMs, uses }) => Promise.resolve(`token for ${ttlMs}, ${uses} times`),
    tokens: () => [{ id: '00'.repeat(8), expiresMs: 5, uses: 2, nodes: ['n'], names: ['n'] }],
    revokeToken: (id) => Promise.resolve(id === '00'.repeat(8)),
    secret: () => ({ generation: 1, keysSealed: true }),
    rotateSecret: (overlapMs) =>
      Promise.resolve({ generation: 2, keysSealed: false, sinceMs: overlapMs }),
    locate: (bucket, key) =>
      Promise.resolve({
        bucket,
        key,
        hash: 'h',
        partition: 1,
        epoch: 1,
        byLayout: [],
        names: {},
        agree: true,
      }),
    quota: (bucket) => Promise.resolve({ bucket, quota: null, usage: null }),
    setQuota: (bucket, quota) => Promise.resolve({ bucket, quota, usage: null }),
    layoutTable: () => Promise.resolve({ epoch: 7 } as LayoutTable),
    planChange: (change) => {
      changes.push(change)
      return Promise.resolve({ movedBytes: 3 } as LayoutPlan)
    },
    applyChange: (change) => {
      changes.push(change)
      return Promise.resolve({ epoch: 8, state: 'PLANNED', changes: [] })
    },
    cancelChange: () => Promise.resolve({ epoch: 9, state: 'STABLE', changes: [] }),
    lossReport: () => Promise.resolve(EXAMPLE_LOSSES),
    acceptLoss: (id) => Promise.resolve({ ...EXAMPLE_LOSSES, id }),
    proceedChange: () => Promise.resolve({ epoch: 9, state: 'JOINT', changes: [] }),
    startScrub: () => ({ ...EXAMPLE_SCRUB, running: true }),
    lost: () => Promise.resolve({ objects: [], unanswered: 0 }),
    scrubStatus: () => EXAMPLE_SCRUB,
    gauges: () => [{ name: 'shoal_epoch', help: 'Epoch', type: 'gauge', value: 7 }],
  }
}

type Ask = (
  method: string,
  url: string,
  headers?: Record<string, string>,
  body?: string,
) => Promise<RawResponse>

export interface AdminWorld {
  /** Starts an admin port over the example backend with some parts replaced. */
  readonly start: (parts?: Partial<AdminBackend>) => Promise<Ask>
  /** The same over TLS. */
  readonly startTls: (
    certificates: readonly TlsCertificate[],
  ) => Promise<{ readonly url: string; readonly admin: Admin }>
  /** What was logged as an error. */
  readonly errors: unknown[]
  /** Changes of the layout as the backend was asked for them. */
  readonly changes: unknown[]
}

/** The port is closed after each test. */
export function adminWorld(): AdminWorld {
  let admin: Admin | undefined
  const errors: unknown[] = []
  const changes: unknown[] = []
  afterEach(async () => {
    await admin?.close()
    errors.length = 0
    changes.length = 0
  })
  const open = async (
    parts: Partial<AdminBackend>,
    certificates?: readonly TlsCertificate[],
  ): Promise<{ url: string; admin: Admin }> => {
    const metrics = new GatewayMetrics()
    metrics.of('PutObject').record(200, 0.003, 2)
    metrics.of('PutObject').record(503, 70, 1)
    const made = createAdmin({
      backend: { ...exampleBackend(changes), ...parts },
      metrics,
      credential: { secret: ADMIN_SECRET, path: '/data/admin-credential' },
      certificates,
      logger: { error: (fields) => void errors.push(fields) },
    })
    admin = made
    const { url } = await made.listen({ host: '127.0.0.1', port: 0 })
    return { url, admin: made }
  }
  return {
    errors,
    changes,
    startTls: (certificates) => open({}, certificates),
    async start(parts = {}) {
      const { url: endpoint } = await open(parts)
      return (method, url, headers = WITH_CREDENTIAL, body = '') =>
        sendUnsigned(endpoint, { method, url, headers }, Buffer.from(body))
    },
  }
}
