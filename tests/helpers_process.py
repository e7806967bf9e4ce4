"""Fresh interpreters that see the installed package."""

import os
import subprocess
import sys
from pathlib import Path

LIMIT = 300  # seconds: what waits for ever fails, too


def python(code, folder, *options, level=None, **variables):
    """Runs the code, or the file of a Path, in a fresh interpreter, started in `folder`, that sees the installed package and a
    bare environment with these variables."""
    kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMPDIR")
    environment = {k: os.environ[k] for k in kept if k in os.environ} | variables
    if level is not None:
        environment["ACTLOSS_C_LEVEL"] = level
    command = [sys.executable, *options, *((code,) if isinstance(code, Path) else ("-c", code))]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT)


def succeeds(child):
    """What the child printed."""
    assert child.returncode == 0, child.stderr
    return child.stdout


def fails_to_import(child):
    """The message of the ImportError that the child died of."""
    last = child.stderr.strip().splitlines()[-1]
    assert child.returncode == 1 and last.startswith("ImportError"), child.stderr
    return last
