/**
 * `npm run house`: the figures of this checkout that say how easily a stranger finds the way around it.
 *
 *     npm run -s house                                 rooms, sizes, comments, asserts, tests
 *     npm run -s house -- --sample 10 --seed 7         ten comments and ten messages, drawn at random
 *     npm run -s house -- --root DIR                   the same of another checkout, such as an older one
 */

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { seededRandom } from '../world/seeded-random.ts'
import { measureHouse, type House, type Spread } from './figures.ts'
import { ROOT } from './source.ts'

const { values } = parseArgs({
  options: {
    root: { type: 'string', default: ROOT },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const house = measureHouse(resolve(values.root))
if (values.sample === undefined) printFigures(house)
else printSample(house, Number(values.sample), Number(values.seed))

function printFigures(house: House): void {
  print('rooms', `${house.rooms}`)
  for (const { top, rooms, imports, upward } of house.orders) {
    print(`imports between rooms of ${top}/`, `${imports}, of which upwards ${upward}`)
    print('  in this order', rooms.join(' < '))
  }
  print('circles of imports', `${house.circles.length}`)
  for (const circle of house.circles) print('', circle)
  for (const { group, files, functions, namedFunctions } of house.sizes) {
    print(`files, ${group}`, spreadText(files))
    print(`functions, ${group}`, spreadText(functions))
    print('  those with a name', spreadText(namedFunctions))
  }
  print('comment lines, what ships', `${(house.commentShare * 100).toFixed(1)} %`)
  print('comments, what ships', `${house.shippedComments}, of which knotty ${house.knottyComments}`)
  const { protocolAsserts, protocolFunctions, nodeTestLines, nodeSourceLines } = house
  const asserts = (protocolAsserts / protocolFunctions).toFixed(2)
  print(
    'checks a function, protocol/',
    `${asserts} (${protocolAsserts} asserts and input checks in ${protocolFunctions})`,
  )
  const tests = (nodeTestLines / nodeSourceLines).toFixed(2)
  print('tests to source, node/', `${tests} (${nodeTestLines} lines to ${nodeSourceLines})`)
}

function spreadText({ count, p50, p90, max, largest }: Spread): string {
  return `${count}: p50 ${p50}, p90 ${p90}, largest ${max} (${largest})`
}

function printSample({ comments, messages }: House, count: number, seed: number): void {
  const random = seededRandom(seed)
  const draw = (from: readonly string[]): string[] => {
    const left = [...from]
    return Array.from({ length: Math.min(count, left.length) }, () =>
      left.splice(Math.floor(random() * left.length), 1).join(''),
    )
  }
  console.log(`seed ${seed}`)
  for (const [title, from] of [
    ['comments', comments],
    ['messages', messages],
  ] as const) {
    console.log(`\n${count} of ${from.length} ${title}`)
    for (const passage of draw(from)) console.log(`\n  ${passage}`)
  }
}

function print(what: string, figure: string): void {
  console.log(`${what.padEnd(36)} ${figure}`)
}
