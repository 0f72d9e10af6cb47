/**
 * Recorded requests that clients signed with Signature Version 2: links of boto3 1.44 (its default in us-east-1, and
 * what `aws s3 presign` makes) and of s3cmd 2.3 (`signurl`), and boto3's requests with `signature_version='s3'`. Signed
 * at TEST_NOW_MS with the key of AWS's examples.
 */

/** Name, method, link. */
export const CLIENT_LINKS: readonly (readonly [string, string, string])[] = [
  [
    'boto3 get_object path',
    'GET',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain&versionId=v1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=TKVWuJIp7MJnjAx7VohB3OGCCgM%3D&Expires=1795266000',
  ],
  [
    'boto3 put_object path',
    'PUT',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=5gQLTemUp33Jhh6cbVRHT204sOc%3D&content-type=text%2Fplain%3B%20charset%3Dutf-8&x-amz-meta-a=b%20%20c&x-amz-acl=private&content-md5=XUFAKrxLKna5cZ2REBfFkg%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_objects_v2 path',
    'GET',
    'http://localhost:9000/bucket?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=4NN7koHrFVfeMunX1ASL9Yr9deo%3D&Expires=1795266000',
  ],
  [
    'boto3 upload_part path',
    'PUT',
    'http://localhost:9000/bucket/k?uploadId=u&partNumber=1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=XqEqCbz3kyxTNf8PrmfughO0cLE%3D&Expires=1795266000',
  ],
  [
    'boto3 list_buckets path',
    'GET',
    'http://localhost:9000/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=ifQegnH%2FHhJk65lHBlQtaYRfSko%3D&Expires=1795266000',
  ],
  [
    'boto3 head_bucket path',
    'HEAD',
    'http://localhost:9000/bucket?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=w3vpn8Q%2Fe%2Fd5xELAEKXncSiMpAU%3D&Expires=1795266000',
  ],
  [
    'boto3 get_bucket_acl path',
    'GET',
    'http://localhost:9000/bucket?acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=XMjABElfqFxKr9ld2zNhwe6mjw0%3D&Expires=1795266000',
  ],
  [
    'boto3 get_object path session',
    'GET',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain&versionId=v1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=5jTZRXn6XRdsxydXgipIYZAuHDE%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 put_object path session',
    'PUT',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=7CDXw3fggr6g8kqQ5KMs9PI68tQ%3D&content-type=text%2Fplain%3B%20charset%3Dutf-8&x-amz-meta-a=b%20%20c&x-amz-acl=private&content-md5=XUFAKrxLKna5cZ2REBfFkg%3D%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_objects_v2 path session',
    'GET',
    'http://localhost:9000/bucket?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=w0L8zFoXB1SM4700omZLMwGIOUI%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 upload_part path session',
    'PUT',
    'http://localhost:9000/bucket/k?uploadId=u&partNumber=1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=jetMMCQSFHJM5P7DMncmsvNXjFk%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_buckets path session',
    'GET',
    'http://localhost:9000/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vouwHgcb046CkP6nM3EncuGp5f8%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 head_bucket path session',
    'HEAD',
    'http://localhost:9000/bucket?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=xFBqKUolFHLSAnOYx9bCpZT4mJg%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 get_bucket_acl path session',
    'GET',
    'http://localhost:9000/bucket?acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=y%2ByohkcnxT6gn7lJA23VkpJSOC8%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 get_object virtual',
    'GET',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain&versionId=v1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=TKVWuJIp7MJnjAx7VohB3OGCCgM%3D&Expires=1795266000',
  ],
  [
    'boto3 put_object virtual',
    'PUT',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=5gQLTemUp33Jhh6cbVRHT204sOc%3D&content-type=text%2Fplain%3B%20charset%3Dutf-8&x-amz-meta-a=b%20%20c&x-amz-acl=private&content-md5=XUFAKrxLKna5cZ2REBfFkg%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_objects_v2 virtual',
    'GET',
    'http://bucket.s3.example.org/?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=4NN7koHrFVfeMunX1ASL9Yr9deo%3D&Expires=1795266000',
  ],
  [
    'boto3 upload_part virtual',
    'PUT',
    'http://bucket.s3.example.org/k?uploadId=u&partNumber=1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=XqEqCbz3kyxTNf8PrmfughO0cLE%3D&Expires=1795266000',
  ],
  [
    'boto3 list_buckets virtual',
    'GET',
    'http://s3.example.org/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=ifQegnH%2FHhJk65lHBlQtaYRfSko%3D&Expires=1795266000',
  ],
  [
    'boto3 head_bucket virtual',
    'HEAD',
    'http://bucket.s3.example.org/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=w3vpn8Q%2Fe%2Fd5xELAEKXncSiMpAU%3D&Expires=1795266000',
  ],
  [
    'boto3 get_bucket_acl virtual',
    'GET',
    'http://bucket.s3.example.org/?acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=XMjABElfqFxKr9ld2zNhwe6mjw0%3D&Expires=1795266000',
  ],
  [
    'boto3 get_object virtual session',
    'GET',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain&versionId=v1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=5jTZRXn6XRdsxydXgipIYZAuHDE%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 put_object virtual session',
    'PUT',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=7CDXw3fggr6g8kqQ5KMs9PI68tQ%3D&content-type=text%2Fplain%3B%20charset%3Dutf-8&x-amz-meta-a=b%20%20c&x-amz-acl=private&content-md5=XUFAKrxLKna5cZ2REBfFkg%3D%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_objects_v2 virtual session',
    'GET',
    'http://bucket.s3.example.org/?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=w0L8zFoXB1SM4700omZLMwGIOUI%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 upload_part virtual session',
    'PUT',
    'http://bucket.s3.example.org/k?uploadId=u&partNumber=1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=jetMMCQSFHJM5P7DMncmsvNXjFk%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 list_buckets virtual session',
    'GET',
    'http://s3.example.org/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vouwHgcb046CkP6nM3EncuGp5f8%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 head_bucket virtual session',
    'HEAD',
    'http://bucket.s3.example.org/?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=xFBqKUolFHLSAnOYx9bCpZT4mJg%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    'boto3 get_bucket_acl virtual session',
    'GET',
    'http://bucket.s3.example.org/?acl&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=y%2ByohkcnxT6gn7lJA23VkpJSOC8%3D&x-amz-security-token=to%2Fk%2Ben%3D%3D&Expires=1795266000',
  ],
  [
    's3cmd signurl path',
    'GET',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795266000&Signature=D%2BAdhnZ1uhibNymf%2FgQP%2BdJVIUs%3D',
  ],
  [
    's3cmd signurl path, with headers of the answer',
    'GET',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795266000&Signature=CxvhF6q2BRPEKX8iibxSVIwTbXE%3D&response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain',
  ],
  [
    's3cmd signurl virtual',
    'GET',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795266000&Signature=D%2BAdhnZ1uhibNymf%2FgQP%2BdJVIUs%3D',
  ],
  [
    's3cmd signurl virtual, with headers of the answer',
    'GET',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1795266000&Signature=CxvhF6q2BRPEKX8iibxSVIwTbXE%3D&response-content-disposition=attachment%3B%20filename%3D%22%C3%BC%20%2B.txt%22&response-content-type=text%2Fplain',
  ],
]

/** Method, URL, headers. */
export const CLIENT_REQUESTS: readonly (readonly [
  string,
  string,
  Readonly<Record<string, string>>,
])[] = [
  [
    'PUT',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y',
    {
      'Content-Type': 'text/plain',
      'x-amz-meta-b': 'x',
      'x-amz-meta-a': 'b  c',
      'x-amz-checksum-crc32': 'NhCmhg==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:1+c1ZSAUbvi2PqAoS5/wX3LRHDQ=',
      'Content-Length': '5',
    },
  ],
  [
    'GET',
    'http://localhost:9000/bucket/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y',
    {
      Range: 'bytes=0-1',
      'x-amz-checksum-mode': 'ENABLED',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:c20qxTNqSkn/Pu1TtR+fkEUPf3A=',
    },
  ],
  [
    'GET',
    'http://localhost:9000/bucket?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url',
    {
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:wXVuZDrrrtOpYKzSo6TB8HbhH5o=',
    },
  ],
  [
    'POST',
    'http://localhost:9000/bucket?delete',
    {
      'x-amz-checksum-crc32': 'tCs18Q==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:qBpUqkyY0jJ0cOthtr8qZiYDIKY=',
      'Content-Length': '94',
    },
  ],
  [
    'PUT',
    'http://localhost:9000/bucket?versioning',
    {
      'x-amz-checksum-crc32': 'C8vlPQ==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:kyw2nReeoKW7x7pT/G31Uf7Oc2A=',
      'Content-Length': '123',
    },
  ],
  [
    'PUT',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y',
    {
      'Content-Type': 'text/plain',
      'x-amz-meta-b': 'x',
      'x-amz-meta-a': 'b  c',
      'x-amz-checksum-crc32': 'NhCmhg==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:1+c1ZSAUbvi2PqAoS5/wX3LRHDQ=',
      'Content-Length': '5',
    },
  ],
  [
    'GET',
    'http://bucket.s3.example.org/a%20folder/%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x//y',
    {
      Range: 'bytes=0-1',
      'x-amz-checksum-mode': 'ENABLED',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:c20qxTNqSkn/Pu1TtR+fkEUPf3A=',
    },
  ],
  [
    'GET',
    'http://bucket.s3.example.org/?list-type=2&prefix=a%20folder%2F%C3%BC%20%E2%82%AC%2B%26%3D%281%29%21%2A%27~x%2F%2Fy&encoding-type=url',
    {
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:wXVuZDrrrtOpYKzSo6TB8HbhH5o=',
    },
  ],
  [
    'POST',
    'http://bucket.s3.example.org/?delete',
    {
      'x-amz-checksum-crc32': 'tCs18Q==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:qBpUqkyY0jJ0cOthtr8qZiYDIKY=',
      'Content-Length': '94',
    },
  ],
  [
    'PUT',
    'http://bucket.s3.example.org/?versioning',
    {
      'x-amz-checksum-crc32': 'C8vlPQ==',
      'x-amz-sdk-checksum-algorithm': 'CRC32',
      Date: 'Sat, 21 Nov 2026 12:00:00 GMT',
      Authorization: 'AWS AKIAIOSFODNN7EXAMPLE:kyw2nReeoKW7x7pT/G31Uf7Oc2A=',
      'Content-Length': '123',
    },
  ],
]
