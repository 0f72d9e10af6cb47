/**
 * The data directory of one node:
 *
 *   node.json         who this node is (node-record.ts), mode 0600: it holds the private key
 *   node.json.copy    the same once more
 *   lock              directory-lock.ts
 *   credentials.json  root credentials, founder only, mode 0600
 *   admin-credential  of the admin port while the node runs, mode 0600
 *   shoal.pid         id of the Node process itself while it runs
 *   layout*.json      layout/layout-store.ts
 *   forgotten         repair/forgotten.ts
 *   sightings         replica/sightings.ts
 *   spare             env/spare-room.ts
 *   log/ index/       the segments, and the index made from them
 *
 * Invariants:
 *   - a directory that holds anything else is refused and nothing in it is changed     (D1)
 *   - the boot counter on disk is higher than at any earlier start before `open` returns (P1, G5)
 *   - node.json is always whole: the old content or the new, never a part
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import {
  ADMIN_CREDENTIAL,
  ADMIN_CREDENTIAL_FILE,
  type AdminCredential,
} from '../../gateway/port/credential.ts'
import { assert } from '../../protocol/assert.ts'
import { hex } from '../../protocol/bytes.ts'
import { storageId } from '../../protocol/ids.ts'
import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { checkedFields, withChecksum } from '../tools/checked-json.ts'
import { lastEntryOf } from '../layout/layout-file.ts'
import { isLockFile, lockDirectory, systemProcesses } from './directory-lock.ts'
import type { DirectoryLock, Processes } from './directory-lock.ts'
import {
  BOOT_MAX,
  decodeNodeRecord,
  encodeNodeRecord,
  laterOf,
  NODE_COPY_FILE,
  NODE_FILE,
  NODE_VERSION,
  type NodeRecord,
  type ParsedNode,
} from './node-record.ts'
import { giveSpareRoom } from '../env/spare-room.ts'
import { UsageError } from '../tools/usage-error.ts'

export type { NodeRecord } from './node-record.ts'

const CREDENTIALS_FILE = 'credentials.json'
const PID_FILE = 'shoal.pid'
const LAYOUT_FILE = 'layout.json'
const CHECKED_FILE = 'layout-checked.json'
const VOTE_FILE = 'layout-vote.json'
const STORAGE_ID_BYTES = 12
/** No log has it. */
const UNKNOWN_LOG_ID = '0'.repeat(32)

/** What a running node may change in node.json. */
export type NodeChanges = Partial<
  Pick<
    NodeRecord,
    'boot' | 'addresses' | 'zone' | 'capacityBytes' | 'clusterSecret' | 'moreSecrets' | 'logId'
  >
>

export interface RootCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const credentials = z.object({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
})

/** What a directory that is formatted now gets. Called at most once. */
export interface Birth {
  readonly origin: NodeRecord['origin']
  /** libp2p's protobuf bytes of a new Ed25519 key. */
  readonly privateKey: Uint8Array
  /** 12 random bytes (D1). */
  readonly storageIdBytes: Uint8Array
}

export class DataDirectory {
  /** Absolute. */
  readonly path: string
  /** Formatted by this start. */
  readonly isNew: boolean
  /** Which of the two files was damaged or missing; written again by this start. */
  readonly mended: string | undefined
  /** What other users could read or change: closed to them by this start. */
  readonly closed: readonly string[]
  readonly #lock: DirectoryLock
  #node: NodeRecord

  constructor(
    path: string,
    node: NodeRecord,
    found: Pick<DataDirectory, 'isNew' | 'mended' | 'closed'>,
    lock: DirectoryLock,
  ) {
    this.path = path
    this.isNew = found.isNew
    this.mended = found.mended
    this.closed = found.closed
    this.#node = node
    this.#lock = lock
  }

  /** As it stands on disk. */
  get node(): NodeRecord {
    return this.#node
  }

  get privateKey(): Uint8Array {
    return new Uint8Array(Buffer.from(this.#node.privateKey, 'base64'))
  }

  /** Durable when it returns. */
  remember(changes: NodeChanges): void {
    this.#node = { ...this.#node, ...changes }
    writeNode(this.path, this.#node)
  }

  /** Hex. Undefined only before the first log of this directory was begun. */
  expectedLogId(): string | undefined {
    const { logId, addresses } = this.#node
    if (logId !== undefined) return logId
    // An earlier program did not write it down; but a node that has served has had a log.
    const isGone = !existsSync(join(this.path, 'log', 'id'))
    return addresses.s3 !== undefined && isGone ? UNKNOWN_LOG_ID : undefined
  }

  /** Undefined on nodes that did not found the cluster. */
  credentials(): RootCredentials | undefined {
    return readCredentials(this.path)
  }

  /** Mode 0600, durable when it returns. */
  writeCredentials({ accessKeyId, secretAccessKey }: RootCredentials): void {
    replaceFile(
      join(this.path, CREDENTIALS_FILE),
      json(withChecksum({ accessKeyId, secretAccessKey })),
    )
  }

  /** Of this run, not written yet. */
  adminCredential(random: Uint8Array): AdminCredential {
    return {
      secret: hex(random),
      path: join(this.path, ADMIN_CREDENTIAL_FILE),
    }
  }

  /** Throws UsageError where the file system lets others read it. */
  writeAdminCredential({ secret, path }: AdminCredential): void {
    replaceFile(path, `${secret}\n`)
    if (isOwnersAlone(path)) return
    rmSync(path, { force: true })
    throw new UsageError(
      `${this.path} is on a file system that lets other users read its files: secrets can't be kept there`,
    )
  }

  /** Lets the next process in. Nothing of the directory may be used afterwards. */
  close(): void {
    rmSync(join(this.path, PID_FILE), { force: true })
    rmSync(join(this.path, ADMIN_CREDENTIAL_FILE), { force: true })
    this.#lock.release()
  }

  /** Instead of `close`: what this start has formatted goes again. Nothing else ever does. */
  discard(): void {
    assert(this.isNew, 'only a directory that was formatted now is discarded')
    // The directory held leftovers at most, so this start made all else in it. The lock goes with `close`. node.json goes
    // last, and only when all else is gone: without it, the next start would refuse a directory that holds anything else.
    const errors: unknown[] = []
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (error) {
        errors.push(error)
      }
    }
    for (const name of readdirSync(this.path)) {
      if (name === NODE_FILE || isLeftover(name)) continue
      attempt(() => rmSync(join(this.path, name), { recursive: true, force: true }))
    }
    if (errors.length === 0) attempt(() => rmSync(join(this.path, NODE_FILE), { force: true }))
    attempt(() => this.close())
    if (errors.length > 0) throw errors[0]
  }
}

/**
 * Locks the directory, formats it when it is empty or absent, and raises the boot counter. Throws
 * UsageError for one in use, one that holds something else, and an unknown version.
 */
export function openDataDirectory(
  directory: string,
  birth: () => Birth,
  processes: Processes = systemProcesses(),
): DataDirectory {
  const path = resolve(directory)
  const before = readNode(path)
  if (before === undefined) refuseForeign(path)
  makeDirectory(path)
  giveSpareRoom(path)
  const lock = lockDirectory(path, processes)
  try {
    const stored = readNode(path)
    const isNew = stored === undefined
    const mended = isNew ? undefined : damagedNodeFile(path)
    const node = next(path, stored ?? format(birth()))
    writeNode(path, node)
    const closed = closeToOthers(path, isNew)
    // Of a run that was killed.
    rmSync(join(path, ADMIN_CREDENTIAL_FILE), { force: true })
    for (const name of ['log', 'index']) makeDirectory(join(path, name))
    replaceFile(join(path, PID_FILE), `${processes.self}\n`)
    return new DataDirectory(path, node, { isNew, mended, closed }, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Keeps a node out of its directory while a command works in it. Throws UsageError when it runs, or when
 * there is none. */
export function lockStopped(directory: string): DirectoryLock {
  const path = resolve(directory)
  if (readNode(path) === undefined) throw new UsageError(`${path} is no data directory of a node`)
  return lockDirectory(path, systemProcesses())
}

/**
 * node.json of a directory that may be in use: what a start remembers and where commands find their
 * node. Undefined when there is none. Throws UsageError when it can't be read or understood.
 */
export function readNode(directory: string): NodeRecord | undefined {
  const parsed = laterOf(parsedAt(directory, NODE_FILE), parsedAt(directory, NODE_COPY_FILE))
  if (parsed === undefined) return undefined
  if (parsed.type === 'record') return parsed.record
  throw new UsageError(`${join(directory, NODE_FILE)} ${parsed.why}`)
}

/** Which of the two files a start finds damaged or missing beside the other. */
function damagedNodeFile(directory: string): string | undefined {
  const names = [NODE_FILE, NODE_COPY_FILE]
  const damaged = names.filter((name) => parsedAt(directory, name)?.type === 'damaged')
  const main = parsedAt(directory, NODE_FILE)
  return main === undefined ? NODE_FILE : damaged[0]
}

function parsedAt(directory: string, name: string): ParsedNode | undefined {
  const text = readText(join(directory, name))
  return text === undefined ? undefined : decodeNodeRecord(text)
}

/**
 * It founded a cluster or was admitted to one, and has the layout to prove it: no token is needed. One
 * that was stopped in the act of joining has not, and joins again.
 */
export function isMemberDirectory(directory: string): boolean {
  const node = readNode(directory)
  return node?.clusterSecret !== undefined && existsSync(join(directory, LAYOUT_FILE))
}

/** A member let it in and gave it the layout, whether it has become a member or not: it goes on without a token. */
export function isAdmittedDirectory(directory: string): boolean {
  return readNode(directory)?.origin === 'join' && layoutOfDirectory(directory) !== undefined
}

/** The last layout that a directory knows. Undefined when it has none, or none that can be read. */
export function layoutOfDirectory(directory: string): LayoutEntry | undefined {
  try {
    return lastEntryOf(readFileSync(join(directory, LAYOUT_FILE)))
  } catch {
    return undefined
  }
}

/**
 * Of the run that has this directory. Undefined: none runs. Throws UsageError when this user may not read it, or
 * when it is not a credential that a node wrote.
 */
export function readAdminCredential(directory: string): string | undefined {
  const path = join(directory, ADMIN_CREDENTIAL_FILE)
  let text: string | undefined
  try {
    text = readText(path)?.trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    throw new UsageError(`${path} can't be read: run this as the user who runs the node`)
  }
  if (text === undefined || ADMIN_CREDENTIAL.test(text)) return text
  throw new UsageError(`${path} holds no admin credential: start the node again`)
}

/** Root credentials beside a node.json; undefined when this node did not found the cluster. */
export function readCredentials(directory: string): RootCredentials | undefined {
  const path = join(directory, CREDENTIALS_FILE)
  const text = readText(path)
  if (text === undefined) return undefined
  try {
    return credentials.parse(checkedFields(JSON.parse(text)).fields)
  } catch {
    throw new UsageError(`${path} is damaged: it needs accessKeyId and secretAccessKey`)
  }
}

function format({ origin, privateKey, storageIdBytes }: Birth): NodeRecord {
  return {
    version: NODE_VERSION,
    privateKey: Buffer.from(privateKey).toString('base64'),
    storageId: storageId(hex(storageIdBytes.subarray(0, STORAGE_ID_BYTES))),
    boot: 0,
    origin,
    addresses: {},
  }
}

function next(path: string, node: NodeRecord): NodeRecord {
  if (node.boot < BOOT_MAX) return { ...node, boot: node.boot + 1 }
  throw new UsageError(`data directory ${path}: its boot counter is used up`)
}

/** What this user owns and others may read, or of the directory: write. Earlier programs, back-up tools and
 * administrators leave such modes behind. */
function closeToOthers(path: string, isNew: boolean): string[] {
  const closed: string[] = []
  const close = (name: string, bits: number): void => {
    const found = lstatSync(join(path, name), { throwIfNoEntry: false })
    if (found === undefined || found.isSymbolicLink()) return
    if ((found.mode & bits) === 0 || found.uid !== process.getuid?.()) return
    chmodSync(join(path, name), found.mode & ~bits & 0o7777)
    closed.push(name)
  }
  // An empty directory that was given is as private as one that is made; a known one may be read by a group.
  close('.', isNew ? 0o077 : 0o022)
  for (const name of [CREDENTIALS_FILE, LAYOUT_FILE, CHECKED_FILE, VOTE_FILE]) close(name, 0o077)
  return closed
}

/** Its owner is this user, and nobody else may read it. True where a system has no such modes. */
function isOwnersAlone(path: string): boolean {
  const self = process.getuid?.()
  if (self === undefined) return true
  const { mode, uid } = lstatSync(path)
  return (mode & 0o077) === 0 && uid === self
}

/** A directory without node.json must hold nothing but what an interrupted format leaves behind. */
function refuseForeign(path: string): void {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    if (code === 'ENOTDIR') throw new UsageError(`${path} is a file, not a data directory`)
    throw error
  }
  if (names.includes('node-0')) {
    throw new UsageError(
      `${path} holds a whole cluster: use \`shoal cluster --data\`, or node-0 in it`,
    )
  }
  const foreign = names.find((name) => !isLeftover(name))
  if (foreign === undefined) return
  const what = JSON.stringify(foreign.slice(0, 60))
  throw new UsageError(`${path} holds ${what} and no node.json: give an empty directory`)
}

function isLeftover(name: string): boolean {
  return (
    isLockFile(name) ||
    name === `${NODE_FILE}.new` ||
    name === `${NODE_COPY_FILE}.new` ||
    name === 'lost+found'
  )
}

function writeNode(directory: string, node: NodeRecord): void {
  const text = encodeNodeRecord(node)
  for (const name of [NODE_COPY_FILE, NODE_FILE]) replaceFile(join(directory, name), text)
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** Temporary file, flush, rename, flush of the directory. Readable by its owner only. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`
  rmSync(temporary, { force: true })
  writeFileSync(temporary, text, { mode: 0o600, flush: true })
  renameSync(temporary, path)
  syncDirectory(dirname(path))
}

/** With its parents, each made durable in the one above it. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  for (let made = path; made.length >= (first ?? path).length; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === dirname(made)) break
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
