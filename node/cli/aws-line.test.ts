import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { awsLine } from './aws-line.ts'

const keys = { accessKeyId: 'AKIA', secretAccessKey: `a/b+c'd"e $(f)` }

/** Runs the line in a shell, with a program in the place of aws that prints its input. */
function pasted(line: string): string {
  const fake = 'aws() { echo "$AWS_ACCESS_KEY_ID|$AWS_SECRET_ACCESS_KEY|$*"; }'
  return execFileSync('sh', ['-c', `${fake}\n${line}`], { encoding: 'utf8' })
}

it('works when pasted, with the keys in it or reading them', () => {
  const directory = mkdtempSync(join(tmpdir(), "shoal aws'"))
  try {
    const path = join(directory, 'credentials.json')
    const plain = { accessKeyId: 'AKIA', secretAccessKey: 'a/b+c=d' }
    writeFileSync(path, JSON.stringify(plain, undefined, 2))
    const rest = '--endpoint-url http://127.0.0.1:9000 s3 mb s3://my-bucket\n'
    const node = { s3Url: 'http://127.0.0.1:9000' }
    const config = { region: 'us-east-1' }
    const line = (credentials: typeof keys, fresh: boolean): string =>
      awsLine({ ...node, credentials: { ...credentials, fresh } }, config, path) ?? ''
    expect(pasted(line(keys, true))).toBe(`AKIA|${keys.secretAccessKey}|${rest}`)
    expect(pasted(line(plain, false))).toBe(`AKIA|a/b+c=d|${rest}`)
    expect(line(plain, false)).not.toContain('a/b')
    expect(awsLine(node, config, path)).toBeUndefined()
  } finally {
    rmSync(directory, { recursive: true })
  }
})
