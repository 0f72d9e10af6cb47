/** `npm run test:long`: the slow test files, which `npm test` leaves out. */

import { defineConfig } from 'vitest/config'
import base, { LONG } from './vitest.ts'

const { projects: _, ...test } = base.test!
export default defineConfig({ test: { ...test, include: LONG } })
