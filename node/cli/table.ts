/** Tables and progress bars as text. */

import { shortId } from '../../protocol/ids.ts'
import { printable } from './terminal.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/**
 * The lines of a table, with two spaces between columns and none at line ends. Cells pass
 * `printable`; missing ones are empty.
 */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const all = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))]
  const widths = columns.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  return all.map((row) =>
    columns
      .map(({ align }, at) => {
        const cell = row[at] ?? ''
        const width = widths[at] ?? 0
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** '[##########----------]  50 % label', cut to `columns` characters. An empty total counts as done. */
export function progressBar(label: string, done: number, total: number, columns: number): string {
  const share = total <= 0 ? 1 : Math.min(1, Math.max(0, done / total))
  const width = Math.max(4, Math.min(30, columns - label.length - 12))
  const filled = Math.floor(share * width)
  const percent = `${Math.floor(share * 100)}`.padStart(3)
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ${percent} % ${label}`.slice(
    0,
    columns,
  )
}

/** The last characters of a node id after an ellipsis. */
export function shortNode(node: string): string {
  return node.length > 10 ? `…${shortId(node)}` : node
}
