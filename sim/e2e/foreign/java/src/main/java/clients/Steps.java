package clients;

import java.util.Arrays;
import java.util.Random;

/** Steps that report a line each, and what all suites share. */
final class Steps {
  static final String ODD_KEY = "a key/with ünïcødé = + // & <odd> 'quotes'?#.txt";
  private static final String[] ENDPOINTS = System.getenv("SHOAL_ENDPOINTS").split(",");

  interface Work {
    void run() throws Exception;
  }

  static String endpoint(int turn) {
    return ENDPOINTS[turn % ENDPOINTS.length];
  }

  static void step(String title, Work work) {
    try {
      work.run();
      System.out.println("ok " + title);
    } catch (Throwable error) {
      Throwable cause = error.getCause() == null ? error : error.getCause();
      System.out.println("FAIL " + title + "\t" + String.valueOf(cause).replace('\n', ' '));
    }
  }

  /** The same bytes for the same seed. */
  static byte[] bytesOf(long seed, int size) {
    byte[] bytes = new byte[size];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  static void same(String what, byte[] actual, byte[] expected) {
    if (!Arrays.equals(actual, expected)) {
      throw new AssertionError(what + ": " + actual.length + " other bytes, expected " + expected.length);
    }
  }

  static void equal(String what, Object actual, Object expected) {
    if (!expected.equals(actual)) throw new AssertionError(what + ": " + actual + " instead of " + expected);
  }
}
