"""MT-Bench for Korean language models, as a batch job that can be trusted and resumed."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mtbench-ko")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
