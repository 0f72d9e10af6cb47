/**
 * The configuration of a node, made from its sources. A value comes from, in this order: flags, SHOAL_* variables, the
 * configuration file, what the data directory remembers, the default. The fields are those of config-fields.ts.
 */

import { z } from 'zod'
import { UsageError } from '../tools/usage-error.ts'
import { clusterFields, configFields, nodeFields, type FieldName } from './config-fields.ts'
import { parseConfigFile } from './config-file.ts'

const schema = z.object(configFields)

/** Fields that all nodes of a cluster must agree on. */
export const clusterFieldNames = Object.keys(clusterFields) as readonly FieldName[]
/** Fields that may differ from node to node. */
export const nodeFieldNames = Object.keys(nodeFields) as readonly FieldName[]
/** All fields, in the order of the documents. */
export const fieldNames: readonly FieldName[] = [...clusterFieldNames, ...nodeFieldNames]

/**
 * The checked configuration. Sizes are bytes (`capacity`, `segmentSize`), durations milliseconds
 * (`shutdownTimeout`), rates bytes a second. config-fields.ts says what each field means.
 */
export type Config = Readonly<z.output<typeof schema>>

/** Values as written: text, or what TOML and YAML make of it. */
export type RawConfig = Readonly<Partial<Record<FieldName, unknown>>>

/** Where values come from, the strongest first. What is left out gives nothing. */
export interface ConfigSources {
  /** Options of the command line, by the names of fields. */
  readonly flags?: RawConfig | undefined
  /** The environment of the process. An empty variable counts as not set. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly file?: { readonly path: string; readonly text: string } | undefined
  /** What node.json holds from an earlier start. */
  readonly remembered?: RawConfig | undefined
}

/** --join-file of joinFile. */
export function flagName(field: string): string {
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** SHOAL_SEGMENT_SIZE of segmentSize. */
export function variableName(field: string): string {
  return `SHOAL_${field.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`
}

/**
 * SHOAL_* variables that are no field: worth a warning, not an error, because orchestrators set some
 * by themselves (SHOAL_SERVICE_HOST for a service of this name).
 */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set(fieldNames.map(variableName))
  return Object.keys(env)
    .filter((name) => name.startsWith('SHOAL_') && !known.has(name))
    .sort()
}

/**
 * Makes the configuration. Each field takes the first value that is given, checks it and gives it its
 * type. Reads nothing but the sources. Throws UsageError with one line that names the place of the
 * wrong value, without its value where that is a secret.
 */
export function resolveConfig(sources: ConfigSources): Config {
  const { flags = {}, env = {}, file, remembered = {} } = sources
  const fromFile = file === undefined ? {} : parseConfigFile(file, fieldNames)
  const values: Record<string, unknown> = {}
  for (const field of fieldNames) {
    const variable = variableName(field)
    const candidates: readonly (readonly [unknown, string])[] = [
      [flags[field], flagName(field)],
      [env[variable] === '' ? undefined : env[variable], variable],
      [fromFile[field], `${file?.path ?? ''}: ${field}`],
      [remembered[field], `what the data directory remembers: ${field}`],
    ]
    const [value, place] = candidates.find(([raw]) => raw !== undefined) ?? [undefined, field]
    const result = configFields[field].safeParse(value)
    if (!result.success) {
      throw new UsageError(`${place}: ${shown(field, value)} ${problemOf(result.error)}`)
    }
    if (result.data !== undefined) values[field] = result.data
  }
  const config = values as unknown as Config
  if ((config.rootAccessKey === undefined) !== (config.rootSecretKey === undefined)) {
    const [given, missing] =
      config.rootAccessKey === undefined
        ? ['rootSecretKey', 'rootAccessKey']
        : ['rootAccessKey', 'rootSecretKey']
    throw new UsageError(`${given} is set without ${missing}: set both or neither`)
  }
  for (const [chains, keys] of [
    ['tlsCert', 'tlsKey'],
    ['adminTlsCert', 'adminTlsKey'],
  ] as const) {
    const [count, keyCount] = [config[chains].length, config[keys].length]
    if (count === keyCount) continue
    throw new UsageError(
      `${chains} names ${count} files and ${keys} ${keyCount}: each certificate needs its key`,
    )
  }
  if (config.proxyHeader !== 'x-forwarded' && config.trustedProxies.length === 0) {
    throw new UsageError(
      `proxyHeader is ${config.proxyHeader} and trustedProxies is empty: nobody may name a client`,
    )
  }
  return config
}

function problemOf(error: z.ZodError): string {
  return error.issues[0]?.message ?? 'is not valid'
}

const SECRETS: readonly FieldName[] = ['rootSecretKey', 'join', 'webhooks']

/** The value as the user wrote it, shortened, without control characters; secrets never. */
function shown(field: FieldName, value: unknown): string {
  if (SECRETS.includes(field)) return 'the value'
  const json = JSON.stringify(value) ?? String(value)
  const plain = typeof value === 'string' ? `'${json.slice(1, -1)}'` : json
  return plain.length > 80 ? `${plain.slice(0, 77)}…` : plain
}
