/** The fields of the configuration that say where a node serves, and with which certificates (config-fields.ts). */

import { fileNamesValue, hostPortValue, textValue } from './config-values.ts'
import { guides } from './config-guides.ts'

export const servingFields = {
  s3: hostPortValue().prefault('127.0.0.1:9000').register(guides, {
    meaning: 'Where the S3 API listens.',
    takes: '`HOST:PORT`; port 0 is any free one',
    remembered: 'yes',
  }),
  tlsCert: fileNamesValue()
    .default([])
    .register(guides, {
      meaning:
        'Certificates of the S3 port in PEM, each followed by those between it and the root. With them the port speaks TLS ' +
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
  admin: hostPortValue()
    .prefault('127.0.0.1:9001')
    .register(guides, {
      meaning:
        'Where health, metrics and the admin API listen. It answers this machine only. All but health and metrics needs ' +
        'the credential of the data directory.',
      takes: '`HOST:PORT`; port 0 is any free one',
      remembered: 'yes',
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
