import { expect, it } from 'vitest'
import { barChart } from './chart.ts'

const groups = [
  {
    label: 'PUT <4 KiB',
    bars: [
      { name: 'shoal', value: 0.5 },
      { name: 'other', value: 1 },
    ],
    reach: 0.75,
  },
  { label: 'LIST', bars: [{ name: 'shoal', value: 0.25 }] },
]

it('draws bars as long as their values, and a line where they should reach', () => {
  const svg = barChart('Ratios', 'the floor is 1', groups)
  const widths = [...svg.matchAll(/width="([\d.]+)" height="12"/g)].map(([, width]) => width)
  expect(widths).toEqual(['260', '520', '130'])
  expect(svg).toContain('<rect x="629" y="57" width="2" height="32" fill="#000000"/>')
  expect(svg).toContain('PUT &lt;4 KiB')
  expect(svg.match(/#d55e00/g)).toHaveLength(2)
})

it('draws nothing as well', () => {
  expect(barChart('Ratios', 'x', [])).toContain('</svg>')
})
