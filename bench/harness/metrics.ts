/** Prometheus text, parsed as far as the harness reads it. */

export interface MetricSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function parseMetrics(text: string): MetricSample[] {
  const samples: MetricSample[] = []
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line)
    if (match?.[1] === undefined || match[3] === undefined) continue
    const labels: Record<string, string> = {}
    for (const label of (match[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[label[1] ?? ''] = (label[2] ?? '').replace(/\\n/g, '\n').replace(/\\(["\\])/g, '$1')
    }
    samples.push({ name: match[1], labels, value: Number(match[3]) })
  }
  return samples
}

/** The sum of all samples of a name whose labels include those given. */
export function sumOf(
  samples: readonly MetricSample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  let sum = 0
  for (const sample of samples) {
    if (sample.name !== name) continue
    const fits = Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
    if (fits) sum += sample.value
  }
  return sum
}

export async function scrape(adminUrl: string): Promise<MetricSample[]> {
  const reply = await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(10_000) })
  if (!reply.ok) throw new Error(`${adminUrl}/metrics: ${reply.status}`)
  return parseMetrics(await reply.text())
}
