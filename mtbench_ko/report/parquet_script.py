"""Run as a script: print columns of a parquet file as JSON, on the last line.

In a process of its own, since a damaged file ends fastparquet's compiled code by a segmentation fault (about one in
sixty, of 2026.9.0), and has it print on stdout what it makes of the bytes.
"""

import sys

import fastparquet

if __name__ == "__main__":
    path, *columns = sys.argv[1:]
    file = fastparquet.ParquetFile(path)
    print()
    print(file.to_pandas(columns=[name for name in columns if name in file.columns]).to_json(orient="records"))
