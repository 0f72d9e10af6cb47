import { expect, it } from 'vitest'
import { parseMetrics, sumOf } from './metrics.ts'

const text = `# HELP shoal_rounds_total quorum round trips
# TYPE shoal_rounds_total counter
shoal_rounds_total{operation="PutObject"} 12
shoal_rounds_total{operation="GetObject",odd="a,b=\\"c\\""} 5 1700000000000
shoal_epoch 3
shoal_s3_request_seconds_bucket{le="+Inf",operation="x"} 1e3
`

it('parses labels, time stamps and exponents', () => {
  const samples = parseMetrics(text)
  expect(samples).toHaveLength(4)
  expect(samples[1]).toEqual({
    name: 'shoal_rounds_total',
    labels: { operation: 'GetObject', odd: 'a,b="c"' },
    value: 5,
  })
  expect(samples[3]?.value).toBe(1000)
})

it('sums what the labels select', () => {
  const samples = parseMetrics(text)
  expect(sumOf(samples, 'shoal_rounds_total')).toBe(17)
  expect(sumOf(samples, 'shoal_rounds_total', { operation: 'PutObject' })).toBe(12)
  expect(sumOf(samples, 'shoal_rounds')).toBe(0)
})
