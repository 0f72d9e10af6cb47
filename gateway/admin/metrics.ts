/**
 * The metrics that Prometheus scrapes. The hot path adds to plain numbers of an operation that was looked up
 * before; labels and text are made only for a scrape.
 */

/** Upper bounds in seconds. */
const BUCKET_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

/** The counters of one operation as plain data. */
type OperationSnapshot = Pick<
  OperationMetrics,
  'operation' | 'byStatus' | 'buckets' | 'seconds' | 'rounds'
>

/** The counters of one operation. */
export class OperationMetrics {
  readonly operation: string
  /** Requests by HTTP status; 499 when the client disconnected first. */
  readonly byStatus = new Map<number, number>()
  /**
   * Requests by duration: each counts in one bucket, the first whose bound is not below it. The last has no bound.
   */
  readonly buckets = new Float64Array(BUCKET_SECONDS.length + 1)
  /** Sums over all requests. */
  seconds = 0
  rounds = 0

  constructor(operation: string) {
    this.operation = operation
  }

  /** Counts a finished request. `rounds` is how many quorum round trips it waited for. */
  record(status: number, seconds: number, rounds: number): void {
    addTo(this.byStatus, status, 1)
    let bucket = 0
    while (bucket < BUCKET_SECONDS.length && seconds > (BUCKET_SECONDS[bucket] ?? 0)) bucket++
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1
    this.seconds += seconds
    this.rounds += rounds
  }

  snapshot(): OperationSnapshot {
    const { operation, byStatus, buckets, seconds, rounds } = this
    return { operation, byStatus: new Map(byStatus), buckets: buckets.slice(), seconds, rounds }
  }

  /** Adds the counters of the same operation in another gateway. */
  add(other: OperationSnapshot): void {
    for (const [status, count] of other.byStatus) addTo(this.byStatus, status, count)
    for (const [at, count] of other.buckets.entries()) {
      this.buckets[at] = (this.buckets[at] ?? 0) + count
    }
    this.seconds += other.seconds
    this.rounds += other.rounds
  }

  get count(): number {
    return this.buckets.reduce((sum, each) => sum + each, 0)
  }
}

function addTo<Key>(counts: Map<Key, number>, key: Key, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

/** A value that is read at the time of a scrape. */
export interface GaugeReading {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
}

/** One value of a metric. Histograms name each of their series. */
interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

type AddMetric = (name: string, help: string, type: string, values: readonly Sample[]) => void

/** All counters of one gateway at one moment, as plain data that can go to another thread. */
export interface MetricsSnapshot {
  readonly operations: readonly OperationSnapshot[]
  readonly inFlight: number
  readonly refused: number
  readonly connections: { readonly open: number; readonly refused: number; readonly cut: number }
  readonly bodyBytes: number
  readonly refusedBy: ReadonlyMap<string, number>
}

/** The counters of the S3 port. server.ts and the overload/ classes write them, the admin port reads them. */
export class GatewayMetrics {
  readonly #operations = new Map<string, OperationMetrics>()
  /** Requests being answered now. */
  inFlight = 0
  /** Requests refused because too many were in flight. */
  refused = 0
  /** Open connections, and how many were refused or cut so far (connections.ts). */
  connections: { readonly open: number; readonly refused: number; readonly cut: number } = {
    open: 0,
    refused: 0,
    cut: 0,
  }
  /** Memory held by whole bodies and answers (admission.ts). */
  admission: { readonly bodyBytes: number } = { bodyBytes: 0 }
  /** How many requests were answered 503, by reason. */
  refusedBy: ReadonlyMap<string, number> = new Map()
  /** The counters of the gateways on other threads, which a scrape adds to these. */
  others: () => Promise<readonly MetricsSnapshot[]> = () => Promise.resolve([])

  /** The counters of an operation. Callers may keep them. */
  of(operation: string): OperationMetrics {
    let found = this.#operations.get(operation)
    if (found === undefined) {
      found = new OperationMetrics(operation)
      this.#operations.set(operation, found)
    }
    return found
  }

  snapshot(): MetricsSnapshot {
    const { inFlight, refused, connections, admission, refusedBy } = this
    return {
      operations: [...this.#operations.values()].map((each) => each.snapshot()),
      inFlight,
      refused,
      connections: {
        open: connections.open,
        refused: connections.refused,
        cut: connections.cut,
      },
      bodyBytes: admission.bodyBytes,
      refusedBy: new Map(refusedBy),
    }
  }

  /** The text of one scrape, added up over all threads. */
  async scrape(gauges: readonly GaugeReading[]): Promise<{ contentType: string; text: string }> {
    const sum = new GatewayMetrics()
    for (const each of [this.snapshot(), ...(await this.others())]) sum.#add(each)
    return sum.#print(gauges)
  }

  #add({
    operations,
    inFlight,
    refused,
    connections,
    bodyBytes,
    refusedBy,
  }: MetricsSnapshot): void {
    for (const each of operations) this.of(each.operation).add(each)
    this.inFlight += inFlight
    this.refused += refused
    this.connections = {
      open: this.connections.open + connections.open,
      refused: this.connections.refused + connections.refused,
      cut: this.connections.cut + connections.cut,
    }
    this.admission = { bodyBytes: this.admission.bodyBytes + bodyBytes }
    const reasons = new Map(this.refusedBy)
    for (const [reason, count] of refusedBy) addTo(reasons, reason, count)
    this.refusedBy = reasons
  }

  async #print(gauges: readonly GaugeReading[]): Promise<{ contentType: string; text: string }> {
    // Loaded for the first scrape: a node that is not scraped does without it.
    const { Registry } = await import('prom-client')
    const registry = new Registry()
    const add = (name: string, help: string, type: string, values: readonly Sample[]): void => {
      // The registry asks only for a name and get(). Implementing these here keeps its hashing of labels
      // out of the hot path.
      const metric = { name, get: () => Promise.resolve({ name, help, type, values }) }
      registry.registerMetric(metric as unknown as Parameters<typeof registry.registerMetric>[0])
    }
    this.#addOperations(add)
    this.#addLoad(add)
    for (const gauge of gauges) add(gauge.name, gauge.help, gauge.type, one(gauge.value))
    return { contentType: registry.contentType, text: await registry.metrics() }
  }

  /** Counters and times of each operation. */
  #addOperations(add: AddMetric): void {
    const operations = [...this.#operations.values()].filter((each) => each.byStatus.size > 0)
    add(
      'shoal_s3_requests_total',
      'S3 requests by operation and HTTP status',
      'counter',
      operations.flatMap((each) =>
        [...each.byStatus].map(([code, value]) => ({
          labels: { operation: each.operation, code },
          value,
        })),
      ),
    )
    add(
      'shoal_s3_request_seconds',
      'Seconds from the head of the request to the end of the answer',
      'histogram',
      operations.flatMap(histogramSamples),
    )
    add(
      'shoal_rounds_total',
      'Quorum round trips that requests waited for one after the other',
      'counter',
      operations.map((each) => ({ labels: { operation: each.operation }, value: each.rounds })),
    )
  }

  /** What is in use now, and what was refused. */
  #addLoad(add: AddMetric): void {
    add('shoal_s3_in_flight', 'S3 requests being answered', 'gauge', one(this.inFlight))
    add(
      'shoal_s3_refused_total',
      'S3 requests refused because too many were in flight',
      'counter',
      one(this.refused),
    )
    add(
      'shoal_s3_unavailable_total',
      'S3 requests answered 503, by reason',
      'counter',
      [...this.refusedBy].map(([reason, value]) => ({ labels: { reason }, value })),
    )
    const { open, refused, cut } = this.connections
    add('shoal_s3_connections', 'Connections of the S3 port', 'gauge', one(open))
    add(
      'shoal_s3_connections_refused_total',
      'Connections closed at once because their address had too many',
      'counter',
      one(refused),
    )
    add(
      'shoal_s3_connections_cut_total',
      'Connections cut because too many requests were sent ahead',
      'counter',
      one(cut),
    )
    add(
      'shoal_s3_body_bytes',
      'Memory of bodies and answers that are kept as a whole',
      'gauge',
      one(this.admission.bodyBytes),
    )
  }
}

/** The value of a metric without labels. */
function one(value: number): Sample[] {
  return [{ labels: {}, value }]
}

/** The series of a histogram as Prometheus wants them: each bucket includes all smaller ones. */
function histogramSamples(each: OperationMetrics): Sample[] {
  const samples: Sample[] = []
  const { operation } = each
  let sum = 0
  for (const [index, count] of each.buckets.entries()) {
    sum += count
    const le = BUCKET_SECONDS[index] ?? '+Inf'
    samples.push({
      metricName: 'shoal_s3_request_seconds_bucket',
      labels: { operation, le },
      value: sum,
    })
  }
  samples.push({
    metricName: 'shoal_s3_request_seconds_sum',
    labels: { operation },
    value: each.seconds,
  })
  samples.push({ metricName: 'shoal_s3_request_seconds_count', labels: { operation }, value: sum })
  return samples
}
