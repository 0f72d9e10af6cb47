/**
 * Sets the number of threads for files, name look-ups and signatures. Imported first, because Node reads the number once.
 * With Node's default of four, a disk that hangs would soon occupy all of them (D11).
 */

process.env['UV_THREADPOOL_SIZE'] ??= '16'
