/**
 * Work spread over processes of the same script, each of which takes one task after the other. Results come
 * in the order of the tasks, so that what is printed does not depend on how many processes there are.
 */

import { fork, type ChildProcess } from 'node:child_process'

/** Young objects die young: fewer, larger scavenges. */
const NODE_OPTIONS = ['--max-semi-space-size=64']

export interface SpreadOptions<Task, Result> {
  readonly script: string
  /** By which the script knows that it is to call `serveTasks`. */
  readonly args: readonly string[]
  readonly jobs: number
  readonly tasks: readonly Task[]
  /** Called with each result, in order. False ends the work early. */
  readonly each: (result: Result, task: Task) => boolean
}

export async function spread<Task, Result>(options: SpreadOptions<Task, Result>): Promise<void> {
  const { script, args, tasks, each } = options
  const results = new Map<number, Result>()
  let next = 0
  let shown = 0
  let enough = false
  const show = (): void => {
    for (; results.has(shown) && !enough; shown++) {
      enough = !each(results.get(shown) as Result, tasks[shown] as Task)
      results.delete(shown)
    }
  }
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(script, args, { execArgv: NODE_OPTIONS })
      let busy: number | undefined
      const give = (): void => {
        busy = enough || next >= tasks.length ? undefined : next++
        if (busy === undefined) child.disconnect()
        else child.send({ task: tasks[busy] })
      }
      child.on('message', ({ result }: { result: Result }) => {
        results.set(busy as number, result)
        show()
        give()
      })
      child.on('error', reject)
      child.on('exit', (code) => {
        if (busy === undefined) resolve()
        else reject(new Error(`a process ended with ${code} at ${JSON.stringify(tasks[busy])}`))
      })
      stopWithParent(child)
      give()
    })
  const jobs = Math.min(options.jobs, tasks.length)
  await Promise.all(Array.from({ length: jobs }, one))
}

/** In a child: works until its parent has nothing more. */
export function serveTasks<Task, Result>(work: (task: Task) => Promise<Result>): void {
  process.on('message', ({ task }: { task: Task }) => {
    // A rejection ends the process, and with it the parent's wait.
    void work(task).then((result) => process.send?.({ result }))
  })
}

function stopWithParent(child: ChildProcess): void {
  const stop = (): void => void child.kill()
  process.once('exit', stop)
  child.once('exit', () => process.off('exit', stop))
}
