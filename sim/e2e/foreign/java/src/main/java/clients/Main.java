package clients;

/** Runs the AWS SDK for Java v2 against Shoal: the synchronous, the asynchronous and the native client. */
public final class Main {
  public static void main(String[] arguments) {
    SyncSuite.run();
    AsyncSuite.run("async", AsyncSuite::nettyClient);
    AsyncSuite.run("native", AsyncSuite::nativeClient);
    System.out.println("done");
    System.exit(0);
  }
}
