/** Fields of a log line as plain values without secrets (F37). A gateway thread sends them so, and the logger writes them so. */

export const REDACTED = '[redacted]'

/** A field with such a name is removed, whatever it contains. */
const SECRET_NAME = /secret|password|passphrase|private_?key|token|authorization|signature|cookie/i
/** Deeper values are cut off, so that a cycle ends. */
const DEPTH_MAX = 6

/**
 * A copy of a log line's fields without secrets. Errors become type, message, code, stack and cause;
 * bytes become their length. The value itself is not changed.
 */
export function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEPTH_MAX) return '[deep]'
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  if (value instanceof Error) {
    const { name, message, stack } = value
    const { code, cause } = value as { code?: unknown; cause?: unknown }
    return { type: name, message, code, stack, cause: withoutSecrets(cause, depth + 1) }
  }
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, depth + 1))
  const copy: Record<string, unknown> = Object.create(null)
  for (const [name, each] of Object.entries(value)) {
    copy[name] = SECRET_NAME.test(name) ? REDACTED : withoutSecrets(each, depth + 1)
  }
  return copy
}
