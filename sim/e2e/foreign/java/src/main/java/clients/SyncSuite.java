package clients;

import static clients.Steps.ODD_KEY;
import static clients.Steps.bytesOf;
import static clients.Steps.equal;
import static clients.Steps.same;
import static clients.Steps.step;

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.ContentStreamProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectAttributesResponse;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectAttributes;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

/** The synchronous client. */
final class SyncSuite {
  private static final String BUCKET = "java-sync-bucket";
  private static final byte[] SMALL = bytesOf(1, 5_000);

  static S3Client client(int turn) {
    return S3Client.builder()
        .endpointOverride(URI.create(Steps.endpoint(turn)))
        .region(Region.US_EAST_1)
        .forcePathStyle(true)
        .build();
  }

  static void run() {
    step("java sync: buckets", () -> {
      client(0).createBucket(bucket -> bucket.bucket(BUCKET));
      equal("region", client(1).headBucket(bucket -> bucket.bucket(BUCKET)).bucketRegion(), "us-east-1");
    });
    step("java sync: PUT, GET, range", SyncSuite::objects);
    step("java sync: streams, checksums in trailers", SyncSuite::streams);
    step("java sync: parts, attributes", SyncSuite::parts);
    step("java sync: conditions", SyncSuite::conditions);
    step("java sync: links", SyncSuite::links);
    step("java sync: copy, list by pages, delete many", SyncSuite::listing);
  }

  private static void objects() {
    client(0).putObject(
        put -> put.bucket(BUCKET).key(ODD_KEY).metadata(Map.of("a", "1")), RequestBody.fromBytes(SMALL));
    var got = client(1).getObjectAsBytes(
        get -> get.bucket(BUCKET).key(ODD_KEY).checksumMode(ChecksumMode.ENABLED));
    same("GET", got.asByteArray(), SMALL);
    equal("metadata", got.response().metadata().get("a"), "1");
    GetObjectResponse response = got.response();
    equal("CRC32 present", response.checksumCRC32() != null, true);
    var range = client(2).getObjectAsBytes(get -> get.bucket(BUCKET).key(ODD_KEY).range("bytes=10-19"));
    same("range", range.asByteArray(), java.util.Arrays.copyOfRange(SMALL, 10, 20));
    var head = client(0).headObject(
        request -> request.bucket(BUCKET).key(ODD_KEY).checksumMode(ChecksumMode.ENABLED));
    equal("length", head.contentLength(), 5_000L);
  }

  private static void streams() {
    var algorithms = List.of(
        ChecksumAlgorithm.CRC32, ChecksumAlgorithm.CRC32_C, ChecksumAlgorithm.CRC64_NVME,
        ChecksumAlgorithm.SHA1, ChecksumAlgorithm.SHA256);
    for (ChecksumAlgorithm algorithm : algorithms) {
      String key = "stream-" + algorithm;
      ContentStreamProvider body = () -> new ByteArrayInputStream(SMALL);
      client(0).putObject(
          put -> put.bucket(BUCKET).key(key).checksumAlgorithm(algorithm),
          RequestBody.fromContentProvider(body, SMALL.length, "application/octet-stream"));
      same(key, client(1).getObjectAsBytes(get -> get.bucket(BUCKET).key(key)).asByteArray(), SMALL);
    }
    // Of a length that is not known beforehand.
    client(2).putObject(
        put -> put.bucket(BUCKET).key("unknown"),
        RequestBody.fromContentProvider(() -> new ByteArrayInputStream(SMALL), "text/plain"));
    same("unknown", client(0).getObjectAsBytes(get -> get.bucket(BUCKET).key("unknown")).asByteArray(), SMALL);
  }

  private static void parts() {
    var upload = client(0).createMultipartUpload(
        create -> create.bucket(BUCKET).key("parts").checksumAlgorithm(ChecksumAlgorithm.CRC32));
    List<CompletedPart> completed = new ArrayList<>();
    for (int number = 1; number <= 2; number++) {
      int partNumber = number;
      byte[] body = bytesOf(number, number == 1 ? 5 << 20 : 1_000);
      var part = client(number).uploadPart(
          put -> put.bucket(BUCKET).key("parts").uploadId(upload.uploadId()).partNumber(partNumber)
              .checksumAlgorithm(ChecksumAlgorithm.CRC32),
          RequestBody.fromBytes(body));
      completed.add(CompletedPart.builder()
          .partNumber(number).eTag(part.eTag()).checksumCRC32(part.checksumCRC32()).build());
    }
    client(1).completeMultipartUpload(
        complete -> complete.bucket(BUCKET).key("parts").uploadId(upload.uploadId())
            .multipartUpload(all -> all.parts(completed)));
    GetObjectAttributesResponse attributes = client(2).getObjectAttributes(
        get -> get.bucket(BUCKET).key("parts").objectAttributes(
            ObjectAttributes.E_TAG, ObjectAttributes.CHECKSUM, ObjectAttributes.OBJECT_PARTS,
            ObjectAttributes.OBJECT_SIZE, ObjectAttributes.STORAGE_CLASS));
    equal("size", attributes.objectSize(), (5L << 20) + 1_000);
    equal("parts", attributes.objectParts().totalPartsCount(), 2);
  }

  private static void conditions() {
    client(0).putObject(put -> put.bucket(BUCKET).key("once").ifNoneMatch("*"), RequestBody.fromString("1"));
    try {
      client(1).putObject(put -> put.bucket(BUCKET).key("once").ifNoneMatch("*"), RequestBody.fromString("2"));
      throw new AssertionError("a second PUT succeeded");
    } catch (S3Exception error) {
      equal("second PUT", error.statusCode(), 412);
    }
    try {
      client(1).getObjectAsBytes(get -> get.bucket(BUCKET).key("absent"));
      throw new AssertionError("an absent object was found");
    } catch (NoSuchKeyException error) {
      equal("absent", error.statusCode(), 404);
    }
  }

  private static void links() throws Exception {
    try (S3Presigner presigner = S3Presigner.builder()
        .endpointOverride(URI.create(Steps.endpoint(1)))
        .region(Region.US_EAST_1)
        .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build())
        .build()) {
      var link = presigner.presignGetObject(
          sign -> sign.signatureDuration(Duration.ofMinutes(1))
              .getObjectRequest(get -> get.bucket(BUCKET).key(ODD_KEY)));
      var reply = HttpClient.newHttpClient().send(
          HttpRequest.newBuilder(link.url().toURI()).build(), HttpResponse.BodyHandlers.ofByteArray());
      equal("status", reply.statusCode(), 200);
      same("GET", reply.body(), SMALL);
    }
  }

  private static void listing() {
    client(0).copyObject(
        copy -> copy.sourceBucket(BUCKET).sourceKey(ODD_KEY)
            .destinationBucket(BUCKET).destinationKey("copy + of odd"));
    List<ObjectIdentifier> keys = new ArrayList<>();
    client(1).listObjectsV2Paginator(list -> list.bucket(BUCKET).maxKeys(3)).contents()
        .forEach(entry -> keys.add(ObjectIdentifier.builder().key(entry.key()).build()));
    equal("keys", keys.size(), 10);
    var deleted = client(2).deleteObjects(all -> all.bucket(BUCKET).delete(each -> each.objects(keys)));
    equal("deleted", deleted.deleted().size(), 10);
    client(0).deleteBucket(bucket -> bucket.bucket(BUCKET));
  }
}
