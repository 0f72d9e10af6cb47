/** The fields of the configuration that say where a node serves, and with which certificates (config-fields.ts). */

import { z } from 'zod'
import {
  addressesValue,
  fileNamesValue,
  hostNamesValue,
  hostPortValue,
  textValue,
} from './config-values.ts'
import { guides } from './config-guides.ts'

export const servingFields = {
  s3: hostPortValue().prefault('127.0.0.1:9000').register(guides, {
    meaning: 'Where the S3 API listens.',
    takes: '`HOST:PORT`; port 0 is any free one',
    remembered: 'yes',
  }),
  website: hostPortValue()
    .optional()
    .register(guides, {
      meaning:
        'Where the websites of buckets are served ([websites](docs/website.md)). They share all limits, certificates and ' +
        'trusted proxies with the S3 port.',
      takes: '`HOST:PORT`; port 0 is any free one',
      otherwise: 'nowhere',
    }),
  websiteDomains: hostNamesValue()
    .default([])
    .register(guides, {
      meaning:
        'Host names under which websites are sub-domains: with `web.example.org`, `bucket.web.example.org` shows that ' +
        'bucket. Every other host name is the name of a bucket itself. In a variable they are separated by commas.',
      takes: 'lower-case host names; in a file a list',
      otherwise: 'none',
    }),
  tlsCert: fileNamesValue()
    .default([])
    .register(guides, {
      meaning:
        'Certificates of the S3 and website ports in PEM, each followed by those between it and the root. With them these ports speak TLS ' +
        'only. A client gets the first one that is valid for the name it asks for, else the first one. Changed files are ' +
        'used within 10 s, or at SIGHUP, and no request is cut. In a variable they are separated by commas.',
      takes: 'file names; in a file a list',
      otherwise: 'none',
    }),
  tlsKey: fileNamesValue().default([]).register(guides, {
    meaning: 'The private keys of `tlsCert`, in the same order, in PEM and without a passphrase.',
    takes: 'file names; in a file a list',
    otherwise: 'none',
  }),
  trustedProxies: addressesValue()
    .default([])
    .register(guides, {
      meaning:
        'Addresses of proxies in front of the S3 and website ports that may say from which client a request is, in the way of ' +
        '`proxyHeader`. What others say about it is ignored. `aws:SourceIp`, `aws:SecureTransport`, the limits of an ' +
        'address and the access log then see the client ([recipes](docs/tls.md)). In a variable they are separated by commas.',
      cost: 'whoever can send from these addresses can give itself any address.',
      takes: 'IP addresses and ranges such as `10.0.0.0/8`; in a file a list',
      otherwise: 'none',
    }),
  proxyHeader: z
    .enum(
      ['x-forwarded', 'forwarded', 'proxy-protocol'],
      'is not one of x-forwarded, forwarded, proxy-protocol',
    )
    .default('x-forwarded')
    .register(guides, {
      meaning:
        'How `trustedProxies` name the client: `x-forwarded` (the headers X-Forwarded-For and X-Forwarded-Proto), ' +
        '`forwarded` (the header Forwarded), or `proxy-protocol` (version 1 or 2 of the PROXY protocol, which they must then ' +
        'send first on every connection).',
      takes: '`x-forwarded`, `forwarded`, `proxy-protocol`',
    }),
  oidcKeys: textValue(/^[^\0]+$/, 'is not a file name')
    .optional()
    .register(guides, {
      meaning:
        'File with the public keys of OIDC issuers, whose tokens AssumeRoleWithWebIdentity takes: a JSON object with a set of ' +
        'keys (JWKS) for the URL of each issuer. Changes are used within 10 s, or at SIGHUP. Tokens of issuers that it ' +
        'does not have are refused: a node never asks an issuer ([more](docs/identities.md#tokens-of-identity-providers)).',
      takes: 'a file name',
      otherwise: 'none',
    }),
  admin: hostPortValue()
    .prefault('127.0.0.1:9001')
    .register(guides, {
      meaning:
        'Where health, metrics and the admin API listen. It answers this machine only, by plain HTTP unless `adminTlsCert` is set. All but health and metrics needs ' +
        'the credential of the data directory.',
      takes: '`HOST:PORT`; port 0 is any free one',
      remembered: 'yes',
    }),
  adminTlsCert: fileNamesValue()
    .default([])
    .register(guides, {
      meaning:
        'Certificates of the admin port in PEM, as `tlsCert` has them; the files may be the same. With them the port speaks ' +
        'TLS only, metrics and health too. Commands with `--data` trust what the node has ([how](docs/tls.md)).',
      takes: 'file names; in a file a list',
      otherwise: 'none',
    }),
  adminTlsKey: fileNamesValue().default([]).register(guides, {
    meaning:
      'The private keys of `adminTlsCert`, in the same order, in PEM and without a passphrase.',
    takes: 'file names; in a file a list',
    otherwise: 'none',
  }),
  listen: textValue(
    /^\/(ip4|ip6|dns4|dns6|dns)\/[^/\s]+\/tcp\/\d{1,5}$/,
    'is not a TCP multiaddress, such as /ip4/127.0.0.1/tcp/9002',
  )
    .default('/ip4/127.0.0.1/tcp/9002')
    .register(guides, {
      meaning: 'Multiaddress at which the other nodes reach this one.',
      takes: '`/ip4/ADDRESS/tcp/PORT`, also `ip6`, `dns`, `dns4`, `dns6`',
      remembered: 'yes',
    }),
}
