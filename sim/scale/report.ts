/** What a part of the scale report is made of: text, tables, plots, and bounds that were broken. */

export interface Section {
  /** Markdown, with its heading. */
  readonly text: string
  /** File name in docs/, and SVG. */
  readonly plots: readonly { readonly name: string; readonly svg: string }[]
  /** One line for each bound that does not hold. */
  readonly faults: readonly string[]
}

export interface Scope {
  /** Fewer sizes and seeds, for CI. */
  readonly quick: boolean
}

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  )
}

/** 1,234,567 */
export function grouped(count: number): string {
  return Math.round(count)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, ',')
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1)
}
