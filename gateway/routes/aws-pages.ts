/** The page of AWS's documentation about each operation, which decides what the operation means. */

const ROOTS = {
  s3: 'https://docs.aws.amazon.com/AmazonS3/latest/API',
  iam: 'https://docs.aws.amazon.com/IAM/latest/APIReference',
  sts: 'https://docs.aws.amazon.com/STS/latest/APIReference',
} as const

/** The address of the page, or undefined for operations that only Shoal has: their actions begin with `shoal:`. */
export function awsPage(operation: {
  readonly service: keyof typeof ROOTS
  readonly name: string
  readonly action: string
}): string | undefined {
  const { service, name, action } = operation
  if (action.startsWith('shoal:') || name === 'GetCapabilities') return undefined
  if (name === 'PostObject') return `${ROOTS.s3}/RESTObjectPOST.html`
  return `${ROOTS[service]}/API_${name}.html`
}
