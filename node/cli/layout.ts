/** `shoal layout show`: the epoch and its members as the node gives them. */

/** Nested fields as indented lines: readable whatever the node adds to its layout. */
export function layoutLines(value: unknown, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${String(value)}`]
  return Object.entries(value).flatMap(([name, each]) => {
    if (typeof each !== 'object' || each === null) return [`${indent}${name}: ${String(each)}`]
    return [`${indent}${name}:`, ...layoutLines(each, `${indent}  `)]
  })
}
