/**
 * What a CPU profile of V8 says about each module: the time that its own code took, and the time of native functions
 * (hashes, buffers, sockets, LMDB) that it called.
 *
 * A sample stands for the time until the next sample. Only the time within the window counts, so that start,
 * warm-up and end of the process are left out.
 */

/** Part of the format that `node --cpu-prof` writes. Times are microseconds of the machine's monotonic clock. */
export interface CpuProfile {
  readonly nodes: readonly CpuProfileNode[]
  readonly startTime: number
  readonly samples: readonly number[]
  /** From the sample before to this one; the first one counts from `startTime`. */
  readonly timeDeltas: readonly number[]
}

interface CpuProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
  }
  readonly children?: readonly number[]
}

export interface ProfileWindow {
  readonly fromUs: number
  readonly toUs: number
}

export interface ModuleTime {
  /** `node/log/log.ts`, `@libp2p/yamux/dist/src/muxer.js`, `node:net`. */
  readonly module: string
  readonly ownUs: number
  /** Of native functions, charged to the module that called them. */
  readonly nativeUs: number
}

export interface FunctionTime {
  /** `append`, or `(native) update` for a native function. */
  readonly name: string
  /** Of a native function: the module that called it. */
  readonly module: string
  /** From 1; 0 for native functions. */
  readonly line: number
  readonly selfUs: number
}

export interface SelfTimes {
  readonly totalUs: number
  readonly idleUs: number
  readonly gcUs: number
  /** V8's "(program)": the runtime itself and the kernel, without a function on the stack. */
  readonly programUs: number
  /** These three: the longest first. */
  readonly modules: readonly ModuleTime[]
  readonly rooms: readonly ModuleTime[]
  readonly functions: readonly FunctionTime[]
}

/** @param root path of the checkout, which module names leave out. */
export function selfTimes(profile: CpuProfile, window: ProfileWindow, root: string): SelfTimes {
  const byNode = timeByNode(profile, window)
  const callers = callerOf(profile)
  const special = { idleUs: 0, gcUs: 0, programUs: 0 }
  const modules = new Map<string, ModuleTime>()
  const functions = new Map<string, FunctionTime>()
  let totalUs = 0
  for (const node of profile.nodes) {
    const selfUs = byNode.get(node.id) ?? 0
    if (selfUs === 0) continue
    totalUs += selfUs
    const { functionName, url, lineNumber } = node.callFrame
    const kind = specials[functionName]
    if (url === '' && kind !== undefined) {
      special[kind] += selfUs
      continue
    }
    const isNative = url === ''
    const module = moduleOf(isNative ? callingUrl(node, callers) : url, root)
    add(modules, module, isNative ? 0 : selfUs, isNative ? selfUs : 0)
    const name = functionName === '' ? '(anonymous)' : functionName
    const line = isNative ? 0 : lineNumber + 1
    const key = `${name} ${line} ${module} ${isNative}`
    functions.set(key, {
      name: isNative ? `(native) ${name}` : name,
      module,
      line,
      selfUs: selfUs + (functions.get(key)?.selfUs ?? 0),
    })
  }
  const rooms = new Map<string, ModuleTime>()
  for (const { module, ownUs, nativeUs } of modules.values()) {
    add(rooms, roomOf(module), ownUs, nativeUs)
  }
  return {
    totalUs,
    ...special,
    modules: longestFirst(modules),
    rooms: longestFirst(rooms),
    functions: [...functions.values()].sort((a, b) => b.selfUs - a.selfUs),
  }
}

const specials: Readonly<Record<string, 'idleUs' | 'gcUs' | 'programUs'>> = {
  '(idle)': 'idleUs',
  '(garbage collector)': 'gcUs',
  '(program)': 'programUs',
  '(root)': 'programUs',
}

/** Microseconds of the window by id of node. */
function timeByNode(profile: CpuProfile, { fromUs, toUs }: ProfileWindow): Map<number, number> {
  const times = new Map<number, number>()
  let at = profile.startTime
  for (const [index, node] of profile.samples.entries()) {
    at += profile.timeDeltas[index] ?? 0
    const next = at + Math.max(0, profile.timeDeltas[index + 1] ?? 0)
    const us = Math.min(next, toUs) - Math.max(at, fromUs)
    if (us > 0) times.set(node, us + (times.get(node) ?? 0))
  }
  return times
}

function callerOf(profile: CpuProfile): Map<number, CpuProfileNode> {
  const callers = new Map<number, CpuProfileNode>()
  for (const node of profile.nodes) {
    for (const child of node.children ?? []) callers.set(child, node)
  }
  return callers
}

/** The file of the nearest caller that has one; empty when the runtime itself called. */
function callingUrl(node: CpuProfileNode, callers: ReadonlyMap<number, CpuProfileNode>): string {
  let caller = callers.get(node.id)
  while (caller !== undefined && caller.callFrame.url === '') caller = callers.get(caller.id)
  return caller?.callFrame.url ?? ''
}

/** A file's name without the checkout's or the package folder's path. */
export function moduleOf(url: string, root: string): string {
  if (url === '') return '(runtime)'
  const path = url.startsWith('file://') ? decodeURIComponent(url.slice(7)) : url
  const packages = path.lastIndexOf('/node_modules/')
  if (packages >= 0) return path.slice(packages + '/node_modules/'.length)
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path
}

const tops = ['protocol', 'gateway', 'node', 'dist', 'sim', 'bench']

/** `node/log` of a file of the checkout, a package's name, or `Node.js`. */
export function roomOf(module: string): string {
  if (module.startsWith('node:')) return 'Node.js'
  const parts = module.split('/')
  const top = parts[0] ?? ''
  if (tops.includes(top)) {
    const depth = top === 'dist' ? 3 : 2
    return parts.slice(0, Math.min(depth, parts.length - 1)).join('/')
  }
  return top.startsWith('@') ? parts.slice(0, 2).join('/') : top
}

function add(
  times: Map<string, ModuleTime>,
  module: string,
  ownUs: number,
  nativeUs: number,
): void {
  const known = times.get(module)
  times.set(module, {
    module,
    ownUs: ownUs + (known?.ownUs ?? 0),
    nativeUs: nativeUs + (known?.nativeUs ?? 0),
  })
}

function longestFirst(times: ReadonlyMap<string, ModuleTime>): ModuleTime[] {
  return [...times.values()].sort((a, b) => b.ownUs + b.nativeUs - a.ownUs - a.nativeUs)
}
