/** `shoal quota`: how much a bucket may hold, and how much it holds. */

import type { Command } from 'commander'
import type { QuotaStatus } from '../../gateway/port/admin.ts'
import { formatSize } from '../tools/units.ts'
import { UsageError } from '../tools/usage-error.ts'
import { adminClient } from './admin-client.ts'
import { objectCount, size, withTarget, type TargetOptions } from './options.ts'
import type { Terminal } from './terminal.ts'

type SetOptions = TargetOptions & { readonly bytes?: number; readonly objects?: number }

/** Adds `quota show`, `quota set` and `quota remove`. */
export function addQuotaCommand(program: Command, terminal: Terminal): void {
  const print = (status: QuotaStatus, { json }: TargetOptions): void => {
    for (const line of json === true ? [JSON.stringify(status)] : quotaLines(status)) {
      terminal.out(line)
    }
  }
  const quota = program.command('quota').description('limit what a bucket may hold')
  withTarget(quota.command('show'))
    .description('show the quota of a bucket, and what it holds')
    .argument('<bucket>')
    .action(async (bucket: string, options: TargetOptions) => {
      print(await adminClient(options).quota(bucket), options)
    })

  withTarget(quota.command('set'))
    .description('set the quota of a bucket, in place of the one that it has')
    .argument('<bucket>')
    .option('--bytes <size>', 'of all versions and open uploads, such as 10GiB', size)
    .option('--objects <count>', 'how many versions of objects', objectCount)
    .action(async (bucket: string, options: SetOptions) => {
      const { bytes, objects } = options
      if (bytes === undefined && objects === undefined) {
        throw new UsageError('give --bytes, --objects, or both')
      }
      print(await adminClient(options).setQuota(bucket, { bytes, objects }), options)
    })

  withTarget(quota.command('remove'))
    .description('let a bucket grow without a limit again')
    .argument('<bucket>')
    .action(async (bucket: string, options: TargetOptions) => {
      print(await adminClient(options).removeQuota(bucket), options)
    })
}

export function quotaLines({ bucket, quota, usage }: QuotaStatus): string[] {
  const limit = (value: string | undefined): string => (value === undefined ? '' : ` of ${value}`)
  if (usage === null) return [`bucket ${bucket}: not all of it could be counted in time`]
  const { bytes, objects, ageMs } = usage
  const bytesMax = quota?.bytes === undefined ? undefined : formatSize(quota.bytes)
  return [
    `bucket   ${bucket}${quota === null ? ', without a quota' : ''}`,
    `bytes    ${formatSize(bytes)}${limit(bytesMax)}`,
    `objects  ${objects}${limit(quota?.objects?.toString())}`,
    `counted  ${Math.ceil(ageMs / 1000)} s ago`,
  ]
}
