/** Bars as plain SVG: the same numbers give the same bytes. */

export interface BarGroup {
  readonly label: string
  /** Bars of one name have one colour. */
  readonly bars: readonly { readonly name: string; readonly value: number }[]
  /** A line across the bars of the group that they should reach. */
  readonly reach?: number
}

const [leftPx, rightPx, topPx, bottomPx, widthPx] = [240, 60, 60, 40, 820]
const [barPx, gapPx] = [14, 12]
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']

/** Horizontal bars, one group below the other, on a scale from zero. */
export function barChart(title: string, axis: string, groups: readonly BarGroup[]): string {
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ name }) => name)))]
  const colourOf = (name: string): string => colours[names.indexOf(name) % colours.length]!
  const values = groups.flatMap(({ bars, reach }) => [...bars.map((b) => b.value), reach ?? 0])
  const most = Math.max(...values, Number.MIN_VALUE)
  const toX = (value: number): number => leftPx + (value / most) * (widthPx - leftPx - rightPx)
  const parts: string[] = []
  let y = topPx
  for (const { label, bars, reach } of groups) {
    const heightPx = bars.length * barPx
    parts.push(text(leftPx - 8, y + heightPx / 2 + 4, label, 'end'))
    for (const [index, { name, value }] of bars.entries()) {
      const top = y + index * barPx
      parts.push(rectangle(leftPx, top, toX(value) - leftPx, barPx - 2, colourOf(name)))
      parts.push(text(toX(value) + 4, top + barPx - 4, value.toFixed(2), 'start', 10))
    }
    if (reach !== undefined) {
      parts.push(rectangle(toX(reach) - 1, y - 3, 2, heightPx + 4, '#000000'))
    }
    y += heightPx + gapPx
  }
  const heightPx = y + bottomPx
  let x = leftPx
  const legend = names.flatMap((name) => {
    const entry = [rectangle(x, 36, 10, 10, colourOf(name)), text(x + 14, 45, name, 'start')]
    x += 40 + 7 * name.length
    return entry
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${heightPx}" font-family="sans-serif" font-size="12">`,
    rectangle(0, 0, widthPx, heightPx, '#ffffff'),
    text(widthPx / 2, 22, title, 'middle', 15),
    ...legend,
    ...parts,
    text((leftPx + widthPx - rightPx) / 2, heightPx - 14, axis, 'middle'),
    '</svg>\n',
  ].join('\n')
}

function rectangle(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" fill="${colour}"/>`
}

function text(x: number, y: number, said: string, anchor: string, size = 12): string {
  const safe = said.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" font-size="${size}">${safe}</text>`
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}
