"""The lines of a text file, whatever its encoding, compression and line ends; what is no text is named as such."""

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from finetune_trainer.errors import UserError

_HEAD = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or export it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: export it as CSV in UTF-8",
    b"PAR1": "a parquet file: name it .parquet",
    b"ARROW1": "an Arrow file: write it as parquet",
    b"BZh": "compressed by bzip2: unpack it, or use gzip",
    b"\xfd7zXZ": "compressed by xz: unpack it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: unpack it, or use gzip",
    b"version https://git-lfs": "a pointer of git-lfs and not the file itself: run git lfs pull",
    b"<!DOCTYPE": "a web page and no table: download the file itself",
    b"<html": "a web page and no table: download the file itself",
}


def text_lines(path: Path, where: str) -> Iterator[str]:
    """Lines with their ends (LF; CR LF stays as it is, CR alone only where the file has no LF).

    UTF-8, or UTF-16 with its byte order mark; plain or gzip. UserError names the line of what is not UTF-8.
    """
    form = _Form.of(path, where)
    try:
        with form.open(path) as file, io.TextIOWrapper(file, form.encoding, newline=form.newline) as text:
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise UserError(
                        f"{where}, line {number} holds a NUL character: save the file as UTF-8 text (UTF-16 is read "
                        "where it begins with its byte order mark)"
                    )
                yield line
    except UnicodeDecodeError as error:
        raise UserError(_undecodable(path, where, form)) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{where} is a damaged gzip file ({error}): copy it again") from error


@dataclass(frozen=True)
class _Form:
    compressed: bool
    encoding: str
    newline: str

    @classmethod
    def of(cls, path: Path, where: str) -> "_Form":
        with path.open("rb") as file:
            compressed = file.read(len(_GZIP)) == _GZIP
        try:
            with _opened(path, compressed=compressed) as file:
                head = file.read(_HEAD)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{where} is a damaged gzip file ({error}): copy it again") from error
        for magic, what in _NO_TEXT.items():
            if head.startswith(magic):
                raise UserError(f"{where} is {what}")
        newline = "\r" if b"\r" in head and b"\n" not in head else "\n"
        return cls(compressed, "utf-16" if head.startswith(_UTF16) else "utf-8-sig", newline)

    def open(self, path: Path) -> BinaryIO:
        return _opened(path, compressed=self.compressed)


def _opened(path: Path, *, compressed: bool) -> BinaryIO:
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def _undecodable(path: Path, where: str, form: _Form) -> str:
    """Which line is not in the encoding; text readers decode many lines at once."""
    if form.encoding == "utf-16":
        return f"{where} begins as UTF-16 and is not UTF-16 to its end: save it as UTF-8"
    with form.open(path) as file, io.TextIOWrapper(file, "latin-1", newline=form.newline) as text:
        for number, line in enumerate(text, 1):
            try:
                line.encode("latin-1").decode("utf-8")
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                return (
                    f"{where}, line {number} is not UTF-8 text (byte 0x{byte:02x} at {error.start}): convert the file, "
                    "with iconv -f WINDOWS-1252 -t UTF-8 where it is Latin-1 or from Windows"
                )
    return f"{where} is not UTF-8 text: convert it"
