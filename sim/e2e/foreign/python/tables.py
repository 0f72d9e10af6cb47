"""Runs the suites of pyarrow, polars, delta-rs and obstore, one line a step."""

import arrow
import delta
import obstore_py
import polars_py

arrow.main()
polars_py.main()
delta.main()
obstore_py.main()
print("done")
