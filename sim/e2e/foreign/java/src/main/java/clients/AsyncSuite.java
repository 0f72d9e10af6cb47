package clients;

import static clients.Steps.ODD_KEY;
import static clients.Steps.bytesOf;
import static clients.Steps.equal;
import static clients.Steps.same;
import static clients.Steps.step;

import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.reactivestreams.Subscriber;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** The asynchronous client over netty, the native one, and the transfer manager over each. */
final class AsyncSuite {
  private static final byte[] SMALL = bytesOf(3, 5_000);

  static S3AsyncClient nettyClient(int turn) {
    return S3AsyncClient.builder()
        .endpointOverride(URI.create(Steps.endpoint(turn)))
        .region(Region.US_EAST_1)
        .forcePathStyle(true)
        .multipartEnabled(true)
        .multipartConfiguration(parts -> parts.minimumPartSizeInBytes(5L << 20).thresholdInBytes(6L << 20))
        .build();
  }

  static S3AsyncClient nativeClient(int turn) {
    return S3AsyncClient.crtBuilder()
        .endpointOverride(URI.create(Steps.endpoint(turn)))
        .region(Region.US_EAST_1)
        .forcePathStyle(true)
        .minimumPartSizeInBytes(5L << 20)
        .thresholdInBytes(6L << 20)
        .build();
  }

  private static <T> T wait(CompletableFuture<T> future) throws Exception {
    return future.get(60, TimeUnit.SECONDS);
  }

  static void run(String kind, IntFunction<S3AsyncClient> client) {
    String bucket = "java-" + kind + "-bucket";
    String title = "java " + kind + ": ";
    step(title + "PUT, GET, range", () -> {
      wait(client.apply(0).createBucket(create -> create.bucket(bucket)));
      wait(client.apply(1).putObject(put -> put.bucket(bucket).key(ODD_KEY), AsyncRequestBody.fromBytes(SMALL)));
      var got = wait(client.apply(2).getObject(
          get -> get.bucket(bucket).key(ODD_KEY), AsyncResponseTransformer.toBytes()));
      same("GET", got.asByteArray(), SMALL);
      var range = wait(client.apply(0).getObject(
          get -> get.bucket(bucket).key(ODD_KEY).range("bytes=10-19"), AsyncResponseTransformer.toBytes()));
      same("range", range.asByteArray(), java.util.Arrays.copyOfRange(SMALL, 10, 20));
    });
    step(title + "a stream of unknown length", () -> {
      byte[] large = bytesOf(4, 7 << 20);
      var unknown = new AsyncRequestBody() {
        @Override
        public Optional<Long> contentLength() {
          return Optional.empty();
        }

        @Override
        public void subscribe(Subscriber<? super ByteBuffer> subscriber) {
          AsyncRequestBody.fromBytes(large).subscribe(subscriber);
        }
      };
      wait(client.apply(0).putObject(put -> put.bucket(bucket).key("unknown"), unknown));
      var got = wait(client.apply(1).getObject(
          get -> get.bucket(bucket).key("unknown"), AsyncResponseTransformer.toBytes()));
      same("GET", got.asByteArray(), large);
    });
    step(title + "a file in parts, both ways", () -> {
      Path file = Path.of(System.getenv("SHOAL_SCRATCH"), "java-" + kind);
      byte[] large = bytesOf(5, 17 << 20);
      Files.write(file, large);
      try (S3TransferManager manager = S3TransferManager.builder().s3Client(client.apply(0)).build()) {
        wait(manager.uploadFile(up -> up.putObjectRequest(put -> put.bucket(bucket).key("file")).source(file))
            .completionFuture());
        wait(manager.downloadFile(
                down -> down.getObjectRequest(get -> get.bucket(bucket).key("file"))
                    .destination(Path.of(file + ".down")))
            .completionFuture());
      }
      same("file", Files.readAllBytes(Path.of(file + ".down")), large);
      var head = wait(client.apply(1).headObject(request -> request.bucket(bucket).key("file")));
      equal("length", head.contentLength(), (long) large.length);
    });
    step(title + "list, delete", () -> {
      var listed = wait(client.apply(2).listObjectsV2(list -> list.bucket(bucket)));
      equal("keys", listed.contents().size(), 3);
      var keys = listed.contents().stream()
          .map(entry -> ObjectIdentifier.builder().key(entry.key()).build()).toList();
      wait(client.apply(0).deleteObjects(all -> all.bucket(bucket).delete(each -> each.objects(keys))));
      wait(client.apply(1).deleteBucket(delete -> delete.bucket(bucket)));
    });
  }
}
