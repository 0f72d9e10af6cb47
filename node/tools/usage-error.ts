/** What the user asked for can't be done as asked. The message is one line and says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
