"""What machine the figures come from, and where they are written: marked sections of bench/RESULTS.md."""

import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def describe() -> str:
    """One line: processor, its bf16 units, cores, memory, Python."""
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpu)
    units = [name for name in ("amx_bf16", "avx512_bf16", "avx512f") if name in cpu]
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20  # type: ignore[index]
    name = model[1].strip() if model else platform.machine()
    return (
        f"{name} ({', '.join(units) or 'no bf16 units'}), {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}"
    )


def write_section(name: str, text: str) -> None:
    """Replace the section `name` of RESULTS.md, or add it at the end."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n\nWritten by the scripts in this folder.\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: section, old) if begin in old else f"{old.rstrip()}\n\n{section}\n"
    RESULTS.write_text(new)
