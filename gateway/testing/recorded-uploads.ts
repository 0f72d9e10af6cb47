/**
 * Uploads with aws-chunked bodies as clients send them, recorded from the socket: minio-go 7.4, AWS's SDKs for
 * Java 2.57 (sync, async, CRT), boto3 1.44. Signed with the key from AWS's examples. HTTP's own chunked transfer
 * coding is already removed. In a body, `{65536}` stands for that many letters "a".
 */

export interface RecordedUpload {
  readonly name: string
  readonly url: string
  /** In order; a name may repeat. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

/** Every chunk is signed. Uploads with unsigned chunks: recorded-unsigned-uploads.ts. */
export const RECORDED_SIGNED_UPLOADS: readonly RecordedUpload[] = [
  {
    name: 'minio-go signed, 5 bytes',
    url: '/bucket/minio-go-secure-false-trailing-false-sum--len-5',
    headers: [
      ['host', 'localhost:9611'],
      ['content-length', '177'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length,Signature=96d4b65df2d45f8c997f5d590e5f05f956c9c439d373a11b00cd0002c1cb53dd',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
      ['x-amz-date', '20261201T051055Z'],
      ['x-amz-decoded-content-length', '5'],
    ],
    body: '5;chunk-signature=53d699d6f7e0d9f5e43d67e9f5eebd1fee6bc1d5dc989164b45364e8fdd15ebc\r\nhello\r\n0;chunk-signature=61e8b6a56541c74b85ccc69c931ee4cac564ef240f2f113779180e3e5ad1ad02\r\n\r\n',
  },
  {
    name: 'minio-go signed, 70000 bytes',
    url: '/bucket/minio-go-secure-false-trailing-false-sum--len-70000',
    headers: [
      ['host', 'localhost:9611'],
      ['content-length', '70265'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length,Signature=85646797a29ff5c080b08e9104f181974b447fa35fc91ab30c10895d0177c9e8',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
      ['x-amz-date', '20261201T051055Z'],
      ['x-amz-decoded-content-length', '70000'],
    ],
    body: '10000;chunk-signature=bc8020bea59d51050291c1f50539d345bff1af67c43e72429d248cb6a22b174f\r\n{65536}\r\n1170;chunk-signature=4fae9ab320b50bcd083cd0b8ec10a570cd4a3d8fd1f0e5c61dbf305d119525c8\r\n{4464}\r\n0;chunk-signature=b3130c647218dd12b8345913027ee16c464d840c9d1c76a0c9fd207713e87f86\r\n\r\n',
  },
  {
    name: 'minio-go signed, 0 bytes',
    url: '/bucket/minio-go-secure-false-trailing-false-sum--len-0',
    headers: [
      ['host', 'localhost:9611'],
      ['transfer-encoding', 'chunked'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length,Signature=8758af6a54f4c761b3bf14a22d78037e7cd2a866684dfc019b973a99dc2586dc',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'],
      ['x-amz-date', '20261201T051055Z'],
      ['x-amz-decoded-content-length', '0'],
    ],
    body: '0;chunk-signature=fb344f7fad23db26c54a3c265d251e89883bde6bc0803982dce74976a464d6f9\r\n\r\n',
  },
  {
    name: 'minio-go signed with trailer, 5 bytes',
    url: '/bucket/minio-go-secure-false-trailing-true-sum-CRC32C-len-5',
    headers: [
      ['host', 'localhost:9611'],
      ['content-length', '300'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;x-amz-checksum-algorithm;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer,Signature=6b53a82a663482d73ea1dcf3bd60bb2bfe2e757d37353b5cec33c68bc77efce1',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-checksum-algorithm', 'CRC32C'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051055Z'],
      ['x-amz-decoded-content-length', '5'],
      ['x-amz-trailer', 'x-amz-checksum-crc32c'],
    ],
    body: '5;chunk-signature=5a0d2b51fdb5cff372c34e23f97cebfcb74a2fd124f386b81a49de26522e291f\r\nhello\r\n0;chunk-signature=2f454b20f4dc581db23eac1dfcfc7a481984f4555a5230b4955a372e034cdcfb\r\nx-amz-checksum-crc32c:mnG7TA==\n\r\nx-amz-trailer-signature:08ec46b021cbef3f61702832d1592eb47bb8e45f0db78c1d9231c0b94514f21d\r\n\r\n',
  },
  {
    name: 'minio-go signed with trailer, 70000 bytes',
    url: '/bucket/minio-go-secure-false-trailing-true-sum-CRC32C-len-70000',
    headers: [
      ['host', 'localhost:9611'],
      ['content-length', '70388'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;x-amz-checksum-algorithm;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer,Signature=d9959b663bc7a26986be5b8ed62473624c0e6fb9475e168cbf6c9c89974922f0',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-checksum-algorithm', 'CRC32C'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051055Z'],
      ['x-amz-decoded-content-length', '70000'],
      ['x-amz-trailer', 'x-amz-checksum-crc32c'],
    ],
    body: '10000;chunk-signature=d3b04fbb5baacdb0789c66002874a5d8a6a203af5bb75c612ec416314968d030\r\n{65536}\r\n1170;chunk-signature=7901bd287e00420d1855a7207770f6a2647904a9de1b7fcb9ae3f0f0706e8464\r\n{4464}\r\n0;chunk-signature=e789febfa887e2ffa273503c7cb9487a8f073b090ea2a14949f838f16c0016f9\r\nx-amz-checksum-crc32c:Nrprhw==\n\r\nx-amz-trailer-signature:fec56216f0d5c6a3d5715898df1be703813c28d983e0635c74e2b0412135e011\r\n\r\n',
  },
  {
    name: 'Java sync http, 5 bytes',
    url: '/bucket/java-sync-http%3A-5',
    headers: [
      ['host', 'localhost:9611'],
      ['amz-sdk-invocation-id', 'de73bd25-e06e-417d-a1e5-75ebb566feee'],
      ['amz-sdk-request', 'attempt=1; max=4'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request, SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-encoding;content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=e4ddf1f2ed4785ee137ad1aa8ce290806450cbecfd53b8e9fa5a76f529072e04',
      ],
      ['content-encoding', 'gzip'],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'text/plain; charset=UTF-8'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051237Z'],
      ['x-amz-decoded-content-length', '5'],
      ['x-amz-sdk-checksum-algorithm', 'CRC32'],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
      ['content-length', '298'],
    ],
    body: '5;chunk-signature=0edb47c00d7ee3f66b6a8a7273c76d8025699b7a2a8f0fe2de2f8a791478d1ca\r\nhello\r\n0;chunk-signature=34a325e765d5d5997781c1ee3192d183920636d060a37ffcb02652bd64bb74ae\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:4ff3f1dc8adbf3fb6123810bbb66db0925362fd8241fed0f5b4cf0ec8e792574\r\n\r\n',
  },
  {
    name: 'Java syncstream http, 5 bytes',
    url: '/bucket/java-syncstream-http%3A-5',
    headers: [
      ['host', 'localhost:9611'],
      ['amz-sdk-invocation-id', '191500f7-55c6-eb3a-b45e-17e5ac4015e0'],
      ['amz-sdk-request', 'attempt=1; max=4'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request, SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-encoding;content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=f5e9d4c4fe2eb662f151017dbb589e7038ba7f0e5a1f4da07f521a32a52039b4',
      ],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'application/octet-stream'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051237Z'],
      ['x-amz-decoded-content-length', '5'],
      ['x-amz-sdk-checksum-algorithm', 'SHA256'],
      ['x-amz-trailer', 'x-amz-checksum-sha256'],
      ['content-length', '335'],
    ],
    body: '5;chunk-signature=cc16af42c1f74f66a7844fcf3ea36aa8ba8a977c463288490dc605012cca1cab\r\nhello\r\n0;chunk-signature=634d690a55d2c5acb2785239026b17bd86c1b4189377c31c1ea2429306e058f4\r\nx-amz-checksum-sha256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=\r\nx-amz-trailer-signature:7e6b09dde315bcd9bc502d31b88fcb22e2eb3f74d2a0e2296f53c71f7c2f8df1\r\n\r\n',
  },
  {
    name: 'Java sync http, 200000 bytes',
    url: '/bucket/java-sync-http%3A-200000',
    headers: [
      ['host', 'localhost:9611'],
      ['amz-sdk-invocation-id', 'cbb3343f-d92c-6cdf-2daa-9a03036867a6'],
      ['amz-sdk-request', 'attempt=1; max=4'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request, SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-encoding;content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=b4a9d4ee7e9d4cbafaf2d83071d4caba9ab452d3a1f00e0c574fbe6671e7b277',
      ],
      ['content-encoding', 'gzip'],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'text/plain; charset=UTF-8'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051237Z'],
      ['x-amz-decoded-content-length', '200000'],
      ['x-amz-sdk-checksum-algorithm', 'CRC32'],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
      ['content-length', '200387'],
    ],
    body: '20000;chunk-signature=2e20f8de1271069200a1f3a2a475ca86d35869eebcc91b82945d0b146bf18b37\r\n{131072}\r\n10d40;chunk-signature=5ddd35cfec2f513efb8039a627de1ac2e18ff96dfd6f405c4cbe7870914bc9af\r\n{68928}\r\n0;chunk-signature=85883861441ab0768d06e47e83efe7c51aa01f4d354c1b2287ceb7dbbbc75791\r\nx-amz-checksum-crc32:4GlTmw==\r\nx-amz-trailer-signature:71433e39ef2e8ed110bab175c8d3592e81f3437e2d2ff3f1706e159e720e2ceb\r\n\r\n',
  },
  {
    name: 'Java sync http, 0 bytes',
    url: '/bucket/java-sync-http%3A-0',
    headers: [
      ['host', 'localhost:9611'],
      ['amz-sdk-invocation-id', 'c9b97037-1e59-7bf1-d903-a2a1f70fe7b1'],
      ['amz-sdk-request', 'attempt=1; max=4'],
      [
        'authorization',
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/s3/aws4_request, SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-encoding;content-length;content-type;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=cd9359acdbe3cbecd14007b76e850f05182de3ace1f64e1a07d00bb8d075f670',
      ],
      ['content-encoding', 'gzip'],
      ['content-encoding', 'aws-chunked'],
      ['content-type', 'text/plain; charset=UTF-8'],
      ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'],
      ['x-amz-date', '20261201T051238Z'],
      ['x-amz-decoded-content-length', '0'],
      ['x-amz-sdk-checksum-algorithm', 'CRC32'],
      ['x-amz-trailer', 'x-amz-checksum-crc32'],
      ['content-length', '207'],
    ],
    body: '0;chunk-signature=334235ae256b8441ac72363d770ad0bf65d4780b5d081defa8e001d39c592f74\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:9bfdd8c7d08cfe9c805bcad0c3e9609e2d99aa2f4331d4462f3d107299f43d3d\r\n\r\n',
  },
]
