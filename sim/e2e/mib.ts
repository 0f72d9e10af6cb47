/** Whole mebibytes, for lines that people read. */
export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}
