"""One kind of fuzzing, guided by which branches of the package its cases reach:

    python -m sim_tests.fuzz.guided 'file: CSV to train with' --minutes 5

Needs atheris (pip install atheris), which is libFuzzer for Python; hypothesis makes cases of its bytes. A case that
fails ends it with the trace, and its bytes are in the output folder.
"""

import argparse
import sys
from pathlib import Path

__all__ = ["main"]


def main() -> None:
    """What is fuzzed is imported here, as it is imported with counters of its branches."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("kind", help="a kind of sim_tests.fuzz.kinds")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build") / "fuzz", help="folder (default: %(default)s)")
    given = parser.parse_args()
    try:
        import atheris
    except ImportError:
        parser.error("atheris is not installed; pip install atheris")
    with atheris.instrument_imports(include=["logicnn"]):
        from sim_tests.fuzz.kinds import KINDS, by_bytes
    if given.kind not in KINDS:
        parser.error(f"kind must be one of {', '.join(KINDS)}, not {given.kind!r}")
    given.output.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={round(60 * given.minutes)}", f"-artifact_prefix={given.output}/", "-timeout=0"]
    atheris.Setup([sys.argv[0], *options, "-max_len=4096", "-len_control=0"], by_bytes(KINDS[given.kind]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
