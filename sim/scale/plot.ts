/** Line plots as plain SVG: the same numbers give the same bytes. */

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
  /** A line across that should not be crossed. */
  readonly bound?: number
  readonly logarithmicY?: boolean
}

const [WIDTH, HEIGHT] = [720, 400]
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 190, 40, 50]
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#555555']

/** The x axis is logarithmic. */
export function plot({ title, x, y, series, bound, logarithmicY = false }: Plot): string {
  const all = series.flatMap(({ points }) => points)
  const xs = all.map(([value]) => value)
  const ys = [...all.map(([, value]) => value), ...(bound === undefined ? [] : [bound])]
  const toX = scale(Math.min(...xs), Math.max(...xs), LEFT, WIDTH - RIGHT, true)
  const [low, high] = logarithmicY
    ? [10 ** Math.floor(Math.log10(Math.min(...ys))), 10 ** Math.ceil(Math.log10(Math.max(...ys)))]
    : [Math.floor(Math.min(...ys) * 10) / 10, Math.ceil(Math.max(...ys) * 10) / 10]
  const toY = scale(low, high, HEIGHT - BOTTOM, TOP, logarithmicY)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(WIDTH / 2, 22, title, 'middle', 15),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, 'middle'),
    `<text x="16" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 ${HEIGHT / 2})">${escaped(y)}</text>`,
  ]
  for (const value of [...new Set(xs)].sort((a, b) => a - b)) {
    parts.push(line([toX(value), TOP], [toX(value), HEIGHT - BOTTOM], '#dddddd'))
    parts.push(text(toX(value), HEIGHT - BOTTOM + 16, String(value), 'middle', 10))
  }
  for (const value of ticks(low, high, logarithmicY)) {
    parts.push(line([LEFT, toY(value)], [WIDTH - RIGHT, toY(value)], '#dddddd'))
    parts.push(text(LEFT - 6, toY(value) + 4, shortNumber(value), 'end', 10))
  }
  if (bound !== undefined) {
    parts.push(line([LEFT, toY(bound)], [WIDTH - RIGHT, toY(bound)], '#000000', '6 4'))
    parts.push(text(WIDTH - RIGHT + 8, toY(bound) + 4, `bound ${bound}`, 'start', 11))
  }
  for (const [i, { name, points }] of series.entries()) {
    const colour = COLOURS[i % COLOURS.length]!
    const path = points.map(([px, py]) => `${toX(px).toFixed(1)},${toY(py).toFixed(1)}`).join(' ')
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    const at = TOP + 16 + 18 * i
    parts.push(
      `<rect x="${WIDTH - RIGHT + 8}" y="${at - 9}" width="12" height="4" fill="${colour}"/>`,
    )
    parts.push(text(WIDTH - RIGHT + 26, at - 3, name, 'start', 11))
  }
  return [...parts, '</svg>', ''].join('\n')
}

function scale(
  low: number,
  high: number,
  from: number,
  to: number,
  logarithmic: boolean,
): (value: number) => number {
  const of = (value: number): number => (logarithmic ? Math.log10(value) : value)
  const span = of(high) - of(low) || 1
  return (value) => Number((from + ((of(value) - of(low)) / span) * (to - from)).toFixed(1))
}

function ticks(low: number, high: number, logarithmic: boolean): number[] {
  if (!logarithmic) return Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5)
  const values: number[] = []
  for (let value = low; value <= high * 1.001; value *= 10) values.push(value)
  return values
}

function shortNumber(value: number): string {
  if (value >= 1e6 || value < 1e-3) return value.toExponential(0)
  return Number(value.toFixed(3)).toString()
}

function line(from: [number, number], to: [number, number], colour: string, dash = ''): string {
  const dashes = dash === '' ? '' : ` stroke-dasharray="${dash}"`
  return `<line x1="${from[0]}" y1="${from[1]}" x2="${to[0]}" y2="${to[1]}" stroke="${colour}"${dashes}/>`
}

function text(x: number, y: number, content: string, anchor: string, size = 12): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}">${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
