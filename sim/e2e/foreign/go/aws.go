package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

var awsBucket = aws.String("go-sdk-bucket")

func awsClient(turn int) *s3.Client {
	loaded, err := config.LoadDefaultConfig(context.Background(), config.WithRetryMaxAttempts(1))
	if err != nil {
		panic(err)
	}
	return s3.NewFromConfig(loaded, func(options *s3.Options) {
		options.BaseEndpoint = aws.String(endpoint(turn))
		options.UsePathStyle = true
	})
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func awsSuite() {
	ctx := context.Background()
	small := bytesOf(1, 5000)
	large := bytesOf(2, 17<<20)

	step("aws-sdk-go-v2: buckets", func() error {
		if _, err := awsClient(0).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: awsBucket}); err != nil {
			return err
		}
		region, err := manager.GetBucketRegion(ctx, awsClient(1), *awsBucket)
		if err != nil || region != "us-east-1" {
			return fmt.Errorf("region %q: %v", region, err)
		}
		return nil
	})

	step("aws-sdk-go-v2: PUT, GET, checksum, range", func() error {
		_, err := awsClient(0).PutObject(ctx, &s3.PutObjectInput{
			Bucket: awsBucket, Key: aws.String(oddKey), Body: bytes.NewReader(small),
			Metadata: map[string]string{"a": "1"},
		})
		if err != nil {
			return err
		}
		got, err := awsClient(1).GetObject(ctx, &s3.GetObjectInput{
			Bucket: awsBucket, Key: aws.String(oddKey), ChecksumMode: types.ChecksumModeEnabled,
		})
		if err != nil {
			return err
		}
		if got.Metadata["a"] != "1" || got.ChecksumCRC32 == nil {
			return fmt.Errorf("metadata %v, CRC32 %v", got.Metadata, got.ChecksumCRC32)
		}
		if err := same("GET", got.Body, small); err != nil {
			return err
		}
		part, err := awsClient(0).GetObject(ctx, &s3.GetObjectInput{
			Bucket: awsBucket, Key: aws.String(oddKey), Range: aws.String("bytes=10-19"),
		})
		if err != nil {
			return err
		}
		return same("range", part.Body, small[10:20])
	})

	step("aws-sdk-go-v2: checksums of all kinds", func() error {
		for i, algorithm := range []types.ChecksumAlgorithm{
			types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
			types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
		} {
			key := aws.String("sum-" + string(algorithm))
			_, err := awsClient(i).PutObject(ctx, &s3.PutObjectInput{
				Bucket: awsBucket, Key: key, Body: bytes.NewReader(small), ChecksumAlgorithm: algorithm,
			})
			if err != nil {
				return fmt.Errorf("%s: %w", algorithm, err)
			}
			got, err := awsClient(i+1).GetObject(ctx, &s3.GetObjectInput{Bucket: awsBucket, Key: key})
			if err != nil {
				return err
			}
			if err := same(string(algorithm), got.Body, small); err != nil {
				return err
			}
		}
		return nil
	})

	step("aws-sdk-go-v2: upload in parts, attributes, parts, download in parts", func() error {
		key := aws.String("large")
		uploader := manager.NewUploader(awsClient(0), func(u *manager.Uploader) { u.PartSize = 6 << 20 })
		put := &s3.PutObjectInput{Bucket: awsBucket, Key: key, Body: onlyReader{bytes.NewReader(large)}}
		if _, err := uploader.Upload(ctx, put); err != nil {
			return err
		}
		attributes, err := awsClient(1).GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{
			Bucket: awsBucket, Key: key,
			ObjectAttributes: []types.ObjectAttributes{
				types.ObjectAttributesEtag, types.ObjectAttributesChecksum, types.ObjectAttributesObjectParts,
				types.ObjectAttributesObjectSize, types.ObjectAttributesStorageClass,
			},
		})
		if err != nil {
			return err
		}
		if *attributes.ObjectSize != int64(len(large)) || *attributes.ObjectParts.TotalPartsCount != 3 {
			return fmt.Errorf("attributes: %+v", attributes)
		}
		buffer := manager.NewWriteAtBuffer(nil)
		downloader := manager.NewDownloader(awsClient(2))
		if _, err := downloader.Download(ctx, buffer, &s3.GetObjectInput{Bucket: awsBucket, Key: key}); err != nil {
			return err
		}
		return same("download", io.NopCloser(bytes.NewReader(buffer.Bytes())), large)
	})

	step("aws-sdk-go-v2: conditions", func() error {
		put := &s3.PutObjectInput{Bucket: awsBucket, Key: aws.String("once"), IfNoneMatch: aws.String("*")}
		if _, err := awsClient(0).PutObject(ctx, put); err != nil {
			return err
		}
		if _, err := awsClient(1).PutObject(ctx, put); code(err) != "PreconditionFailed" {
			return fmt.Errorf("second PUT: %v", err)
		}
		_, err := awsClient(0).GetObject(ctx, &s3.GetObjectInput{Bucket: awsBucket, Key: aws.String("absent")})
		if code(err) != "NoSuchKey" {
			return fmt.Errorf("absent: %v", err)
		}
		return nil
	})

	step("aws-sdk-go-v2: links", func() error {
		presigner := s3.NewPresignClient(awsClient(1))
		link, err := presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: awsBucket, Key: aws.String(oddKey)})
		if err != nil {
			return err
		}
		status, body, err := fetch("GET", link.URL, nil)
		if err != nil || status != 200 || !bytes.Equal(body, small) {
			return fmt.Errorf("status %d, %v: %.200s", status, err, body)
		}
		return nil
	})

	step("aws-sdk-go-v2: a form", func() error {
		key := aws.String("large")
		presigner := s3.NewPresignClient(awsClient(0))
		form, err := presigner.PresignPostObject(ctx, &s3.PutObjectInput{Bucket: awsBucket, Key: key},
			func(options *s3.PresignPostOptions) {
				options.Conditions = []interface{}{[]interface{}{"content-length-range", 1, len(small)}}
			})
		if err != nil {
			return err
		}
		status, body, err := postForm(form.URL, form.Values, small)
		if err != nil || status != 204 {
			return fmt.Errorf("status %d, %v: %.200s", status, err, body)
		}
		got, err := awsClient(1).GetObject(ctx, &s3.GetObjectInput{Bucket: awsBucket, Key: key})
		if err != nil {
			return err
		}
		if err := same("GET", got.Body, small); err != nil {
			return err
		}
		status, body, err = postForm(form.URL, form.Values, append(small, 0))
		if err != nil || status != 400 {
			return fmt.Errorf("a larger file: status %d, %v: %.200s", status, err, body)
		}
		return nil
	})

	step("aws-sdk-go-v2: copy, list by pages, delete many", func() error {
		_, err := awsClient(0).CopyObject(ctx, &s3.CopyObjectInput{
			Bucket: awsBucket, Key: aws.String("copy + of large"), CopySource: aws.String(*awsBucket + "/large"),
		})
		if err != nil {
			return err
		}
		pages := s3.NewListObjectsV2Paginator(awsClient(1), &s3.ListObjectsV2Input{
			Bucket: awsBucket, MaxKeys: aws.Int32(3),
		})
		var found []types.ObjectIdentifier
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, entry := range page.Contents {
				found = append(found, types.ObjectIdentifier{Key: entry.Key})
			}
		}
		if len(found) != 9 {
			return fmt.Errorf("%d keys", len(found))
		}
		deleted, err := awsClient(2).DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: awsBucket, Delete: &types.Delete{Objects: found},
		})
		if err != nil || len(deleted.Deleted) != 9 {
			return fmt.Errorf("%v: %+v", err, deleted)
		}
		_, err = awsClient(0).DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: awsBucket})
		return err
	})
}
