/** Parses a configuration file. The end of its name says whether it is TOML or YAML; JSON is YAML. */

import { createRequire } from 'node:module'
import { UsageError } from '../tools/usage-error.ts'

/** Loads a parser only when there is a file for it: most starts have none, and YAML alone is 72 modules. */
const require = createRequire(import.meta.url)

const MAX_FILE_CHARACTERS = 1 << 20

/** Throws UsageError when the text can't be parsed, is not a table of fields, or names an unknown field. */
export function parseConfigFile(
  file: { readonly path: string; readonly text: string },
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  const parsed = parse(file)
  if (parsed === null || parsed === undefined) return {}
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new UsageError(`${file.path}: a configuration file holds fields and their values`)
  }
  for (const field of Object.keys(parsed)) {
    if (known.includes(field)) continue
    const near = known.find((name) => squeeze(name) === squeeze(field))
    const hint = near === undefined ? `known are ${known.join(', ')}` : `is '${near}' meant?`
    throw new UsageError(`${file.path}: unknown field '${field.slice(0, 64)}': ${hint}`)
  }
  return parsed as Record<string, unknown>
}

function squeeze(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}

function parse(file: { readonly path: string; readonly text: string }): unknown {
  const { path, text } = file
  if (text.length > MAX_FILE_CHARACTERS) throw new UsageError(`${path}: is larger than 1 MiB`)
  const extension = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase()
  try {
    if (extension === 'toml') {
      const toml = require('smol-toml') as typeof import('smol-toml')
      return toml.parse(text)
    }
    if (extension === 'yaml' || extension === 'yml' || extension === 'json') {
      const yaml = require('yaml') as typeof import('yaml')
      return yaml.parse(text, { maxAliasCount: 10, logLevel: 'error' })
    }
  } catch (error) {
    const line = (error as { line?: number; linePos?: { line: number }[] }).line
    const at = line ?? (error as { linePos?: { line: number }[] }).linePos?.[0]?.line
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new UsageError(`${path}${at === undefined ? '' : `:${at}`}: ${said.replace(/:$/, '')}`)
  }
  throw new UsageError(`${path}: its name must end in .toml, .yaml, .yml or .json`)
}
