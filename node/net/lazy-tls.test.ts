import { serviceCapabilities } from '@libp2p/interface'
import { PROTOCOL, tls, type TLSComponents } from '@libp2p/tls'
import { expect, it } from 'vitest'
import { lazyTls } from './lazy-tls.ts'
import { quietLogger } from './quiet-logger.ts'

it('is named and described as the TLS that it loads', () => {
  const components = { logger: quietLogger } as TLSComponents
  const lazy = lazyTls()(components)
  const real = tls()(components)
  expect(lazy.protocol).toBe(PROTOCOL)
  const capabilities = (of: object): unknown => Reflect.get(of, serviceCapabilities)
  expect(capabilities(lazy)).toEqual(capabilities(real))
})
