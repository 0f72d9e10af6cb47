package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const minioBucket = "minio-go-bucket"

// minioClient: `trailing` sends checksums behind the body, as newer programs do.
func minioClient(turn int, trailing bool, v2 bool) *minio.Client {
	address, err := url.Parse(endpoint(turn))
	if err != nil {
		panic(err)
	}
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	signed := credentials.NewStaticV4(key, secret, "")
	if v2 {
		signed = credentials.NewStaticV2(key, secret, "")
	}
	client, err := minio.New(address.Host, &minio.Options{
		Creds: signed, Secure: address.Scheme == "https", TrailingHeaders: trailing, Region: "us-east-1",
	})
	if err != nil {
		panic(err)
	}
	return client
}

func minioSuite() {
	ctx := context.Background()
	small := bytesOf(3, 5000)
	large := bytesOf(4, 12<<20)

	step("minio-go: PUT, GET, stat, attributes", func() error {
		client := minioClient(0, false, false)
		if err := client.MakeBucket(ctx, minioBucket, minio.MakeBucketOptions{Region: "us-east-1"}); err != nil {
			return err
		}
		options := minio.PutObjectOptions{UserMetadata: map[string]string{"a": "1"}}
		if _, err := client.PutObject(ctx, minioBucket, oddKey, bytes.NewReader(small), 5000, options); err != nil {
			return err
		}
		got, err := minioClient(1, false, false).GetObject(ctx, minioBucket, oddKey, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		if err := same("GET", got, small); err != nil {
			return err
		}
		stat, err := minioClient(2, false, false).StatObject(ctx, minioBucket, oddKey, minio.StatObjectOptions{})
		if err != nil || stat.UserMetadata["A"] != "1" || stat.Size != 5000 {
			return fmt.Errorf("%v: %+v", err, stat)
		}
		attributes, err := client.GetObjectAttributes(ctx, minioBucket, oddKey, minio.ObjectAttributesOptions{})
		if err != nil || attributes.ObjectSize != 5000 {
			return fmt.Errorf("%v: %+v", err, attributes)
		}
		return nil
	})

	step("minio-go: checksums in trailers, small and in parts", func() error {
		client := minioClient(0, true, false)
		for _, checksum := range []minio.ChecksumType{
			minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumCRC64NVME, minio.ChecksumSHA1, minio.ChecksumSHA256,
		} {
			options := minio.PutObjectOptions{Checksum: checksum}
			key := "sum-" + checksum.String()
			// A plain reader: the client can't know the checksum before it sends.
			body := onlyReader{bytes.NewReader(small)}
			if _, err := client.PutObject(ctx, minioBucket, key, body, 5000, options); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			got, err := minioClient(1, true, false).GetObject(ctx, minioBucket, key, minio.GetObjectOptions{Checksum: true})
			if err != nil {
				return err
			}
			if err := same(key, got, small); err != nil {
				return err
			}
		}
		options := minio.PutObjectOptions{PartSize: 5 << 20, AutoChecksum: minio.ChecksumCRC64NVME}
		if _, err := client.PutObject(ctx, minioBucket, "large", bytes.NewReader(large), int64(len(large)), options); err != nil {
			return fmt.Errorf("in parts: %w", err)
		}
		got, err := client.GetObject(ctx, minioBucket, "large", minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		return same("in parts", got, large)
	})

	step("minio-go: a stream of unknown length", func() error {
		client := minioClient(1, false, false)
		options := minio.PutObjectOptions{PartSize: 5 << 20}
		if _, err := client.PutObject(ctx, minioBucket, "unknown", onlyReader{bytes.NewReader(large)}, -1, options); err != nil {
			return err
		}
		got, err := minioClient(2, false, false).GetObject(ctx, minioBucket, "unknown", minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		return same("GET", got, large)
	})

	step("minio-go: compose, copy", func() error {
		client := minioClient(0, false, false)
		_, err := client.ComposeObject(ctx,
			minio.CopyDestOptions{Bucket: minioBucket, Object: "composed + of two"},
			minio.CopySrcOptions{Bucket: minioBucket, Object: "large"},
			minio.CopySrcOptions{Bucket: minioBucket, Object: oddKey})
		if err != nil {
			return err
		}
		_, err = client.CopyObject(ctx,
			minio.CopyDestOptions{Bucket: minioBucket, Object: "copy"},
			minio.CopySrcOptions{Bucket: minioBucket, Object: oddKey})
		return err
	})

	step("minio-go: links", func() error {
		link, err := minioClient(1, false, false).PresignedGetObject(ctx, minioBucket, oddKey, time.Minute, nil)
		if err != nil {
			return err
		}
		status, body, err := fetch("GET", link.String(), nil)
		if err != nil || status != 200 || !bytes.Equal(body, small) {
			return fmt.Errorf("status %d, %v: %.200s", status, err, body)
		}
		link, err = minioClient(0, false, true).PresignedGetObject(ctx, minioBucket, oddKey, time.Minute, nil)
		if err != nil {
			return err
		}
		status, body, err = fetch("GET", link.String(), nil)
		if err != nil || status != 200 || !bytes.Equal(body, small) {
			return fmt.Errorf("signature version 2: status %d, %v: %.200s", status, err, body)
		}
		return nil
	})

	step("minio-go: list, delete many", func() error {
		client := minioClient(2, false, false)
		names := make(chan minio.ObjectInfo)
		count := 0
		go func() {
			defer close(names)
			for entry := range client.ListObjects(ctx, minioBucket, minio.ListObjectsOptions{Recursive: true}) {
				count++
				names <- entry
			}
		}()
		for failed := range client.RemoveObjects(ctx, minioBucket, names, minio.RemoveObjectsOptions{}) {
			return failed.Err
		}
		if count != 10 {
			return fmt.Errorf("%d objects", count)
		}
		return client.RemoveBucket(ctx, minioBucket)
	})
}
