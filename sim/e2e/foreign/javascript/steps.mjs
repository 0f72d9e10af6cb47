/** Steps that report a line each, and what all suites share. */

import { createHash } from 'node:crypto'

export const oddKey = "a key/with ünïcødé = + // & <odd> 'quotes'?#.txt"
const endpoints = (process.env.SHOAL_ENDPOINTS ?? '').split(',')

export const endpoint = (turn) => endpoints[turn % endpoints.length]

export async function step(title, work) {
  try {
    await work()
    console.log(`ok ${title}`)
  } catch (error) {
    console.log(`FAIL ${title}\t${String(error).replaceAll('\n', ' ')}`)
    for (const line of String(error?.stack).split('\n').slice(1, 4)) console.log(`  ${line}`)
  }
}

/** The same bytes for the same seed. */
export function bytesOf(seed, size) {
  return createHash('shake256', { outputLength: size }).update(String(seed)).digest()
}

export function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 200)} instead of ${b?.slice(0, 200)}`)
}

export async function gather(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Posts a form with a file, as a browser would. */
export async function postForm(url, fields, data, filename = 'a b.txt') {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('file', new Blob([data]), filename)
  return fetch(url, { method: 'POST', body: form })
}
