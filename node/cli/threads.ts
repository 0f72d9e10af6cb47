/**
 * Threads for files, name look-ups and signatures: imported before anything that needs one, since their
 * number is read once. With the default of four, a disk that hangs would soon hold all of them (D11).
 */

process.env['UV_THREADPOOL_SIZE'] ??= '16'
