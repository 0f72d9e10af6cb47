import { expect, it } from 'vitest'
import { cacheDirectories } from './compile-cache.ts'

it('keeps compiled code beside the code, or where the user has caches', () => {
  const env = { XDG_CACHE_HOME: '/home/ann/cache' }
  expect(cacheDirectories('/opt/shoal/dist/bundle/main.js', env)).toEqual([
    '/opt/shoal/dist/bundle/cache',
    '/home/ann/cache/shoal',
  ])
  expect(cacheDirectories('/src/shoal/node/main.ts', env)).toEqual([
    '/src/shoal/node_modules/.cache/shoal',
    '/home/ann/cache/shoal',
  ])
})
