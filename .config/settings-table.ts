/**
 * Writes the tables of settings in README.md and docs/operations.md from the fields of the configuration. In the
 * documents a table is between a comment that names it and `<!-- /settings -->`. The rest of the document stays as it is.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { defaultOf, flagNames, guideOf, type FieldName } from '../node/process/config-fields.ts'
import {
  clusterFieldNames,
  fieldNames,
  flagName,
  nodeFieldNames,
  variableName,
} from '../node/process/config.ts'

/** The documents, and the tables that each of them has. */
const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': {
    cluster: () => meanings(clusterFieldNames),
    node: () => meanings(nodeFieldNames),
  },
  'docs/operations.md': { values: () => values(fieldNames) },
}

export const settingsDocuments: readonly string[] = Object.keys(TABLES)

function meanings(fields: readonly FieldName[]): string {
  const head = '| field | variable | default | meaning and cost |\n| --- | --- | --- | --- |\n'
  return head + fields.map(meaningLine).join('')
}

function meaningLine(field: FieldName): string {
  const { meaning, cost, otherwise } = guideOf(field)
  const flag = isFlag(field) ? ` (\`${flagName(field)}\`)` : ''
  const fallback = defaultOf(field)
  const shown = fallback === undefined ? otherwise : `\`${fallback}\``
  if (shown === undefined) throw new Error(`${field} says nothing about its default`)
  const said = cost === undefined ? meaning : `${meaning} Cost: ${cost}`
  return `| \`${field}\`${flag} | \`${variableName(field)}\` | ${shown} | ${said} |\n`
}

function values(fields: readonly FieldName[]): string {
  const head = '| field | flag | takes | remembered |\n| --- | --- | --- | --- |\n'
  return head + fields.map(valueLine).join('')
}

function valueLine(field: FieldName): string {
  const { takes, remembered = '' } = guideOf(field)
  const flag = isFlag(field) ? `\`${flagName(field)}\`` : ''
  return `| \`${field}\` | ${flag} | ${takes} | ${remembered} |\n`
}

function isFlag(field: FieldName): boolean {
  return (flagNames as readonly string[]).includes(field)
}

/** The text of a document with the tables as they should be. Throws where a document lacks a place for one. */
export function withTables(document: string, text: string): string {
  let updated = text
  for (const [name, table] of Object.entries(TABLES[document] ?? {})) {
    const [begin, end] = [
      `<!-- settings ${name}, written by .config/settings-table.ts -->\n`,
      '<!-- /settings -->',
    ]
    const from = updated.indexOf(begin) + begin.length
    const to = updated.indexOf(end, from)
    if (from < begin.length || to < 0) throw new Error(`${document} has no table '${name}'`)
    updated = `${updated.slice(0, from)}\n${table()}\n${updated.slice(to)}`
  }
  return updated
}

function urlOf(document: string): URL {
  return new URL(`../${document}`, import.meta.url)
}

export function readDocument(document: string): string {
  return readFileSync(urlOf(document), 'utf8')
}

if (import.meta.main) {
  for (const document of settingsDocuments) {
    writeFileSync(urlOf(document), withTables(document, readDocument(document)))
  }
}
