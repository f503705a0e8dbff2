"""Moving a file aside and back: by a rename, or where another file system begins by a copy that is held to its hash."""

import errno
import hashlib
import os
import stat
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cleaning import linux
from cleaning.places import Entry, Refused
from cleaning.records import Facts
from cleaning.seen import Seen, digest, opened

CHUNK = 1 << 20
_UNNAMED = "/proc/self/fd/{}"
PART = ".imageretrieval-part"  # where a file cannot be without a name until it is whole


def facts(seen: Seen, stash: str) -> Facts:
    """All that is needed to make the file again from its bytes."""
    found = seen.stat
    return Facts(
        path=seen.entry.path,
        stash=stash,
        size=found.st_size,
        sha256=seen.sha256,
        inode=seen.inode,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        atime_ns=found.st_atime_ns,
        mtime_ns=found.st_mtime_ns,
        links=found.st_nlink,
        xattrs=seen.xattrs(),
    )


def move_aside(seen: Seen, stash: Entry, was: Facts) -> None:
    """To `stash`, where nothing is. What was moved is what was read, or it is put back. Raises Refused, OSError."""
    entry = seen.entry
    try:
        linux.move(entry.folder.fd, entry.name, stash.folder.fd, stash.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(seen, stash, was)
        return
    moved = stash.stat()
    if moved is None or (moved.st_dev, moved.st_ino, moved.st_size, moved.st_mtime_ns) != (
        *was.inode,
        was.size,
        was.mtime_ns,
    ):
        linux.move(stash.folder.fd, stash.name, entry.folder.fd, entry.name)
        raise Refused(f"{entry.path} was changed while it was moved, and was put back")


def _move_across(seen: Seen, stash: Entry, was: Facts) -> None:
    if copy_to(seen.fd, stash, was) != was.sha256:
        stash.unlink()
        raise Refused(f"{seen.entry.path} was changed while it was copied")
    os.fsync(stash.folder.fd)
    seen.check_still()
    seen.entry.unlink()


def move_back(stash: Entry, entry: Entry, was: Facts) -> str:
    """From wherever a move was left. Gives what could not be put back, in words; raises Refused, OSError.

    Nothing is overwritten: where something else has the name by now, the file stays in the quarantine.
    """
    aside, here = stash.stat(), entry.stat()
    if here is not None and not is_file(entry, was):
        left = f"; the file stays in {stash.path}" if aside else ", and the quarantine holds it no more"
        raise Refused(f"{entry.path}: something new stands there{left}")
    if here is None:
        if aside is None:
            raise Refused(f"{entry.path}: it is not in the quarantine any more")
        if not stat.S_ISREG(aside.st_mode):
            raise Refused(f"{stash.path} is no regular file")
        return _restored(stash, entry, was)
    if has_bytes(stash, was):
        stash.unlink()  # a second name of the file, or of its bytes
    return ""


def _restored(stash: Entry, entry: Entry, was: Facts) -> str:
    try:
        linux.move(stash.folder.fd, stash.name, entry.folder.fd, entry.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_back(stash, entry, was)
    return differences(entry, was)


def _copy_back(stash: Entry, entry: Entry, was: Facts) -> None:
    fd = opened(stash)
    try:
        copy_to(fd, entry, was)
    finally:
        os.close(fd)
    os.fsync(entry.folder.fd)
    stash.unlink()


def is_file(entry: Entry, was: Facts) -> bool:
    """Whether the file stands there, or one made of its bytes. An inode's number alone may be another file's by now."""
    found = entry.stat()
    if found is None or ((found.st_dev, found.st_ino) != was.inode and found.st_mtime_ns != was.mtime_ns):
        return False
    return has_bytes(entry, was)


def has_bytes(entry: Entry, was: Facts) -> bool:
    """Whether a file with its bytes stands there."""
    found = entry.stat()
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != was.size:
        return False
    fd = opened(entry)
    try:
        return digest(fd) == was.sha256
    finally:
        os.close(fd)


def differences(entry: Entry, was: Facts) -> str:
    """What of a file that was put back is not as it was; empty where all of it is."""
    fd = opened(entry)
    try:
        found = os.fstat(fd)
        names = set(os.listxattr(fd)) if was.xattrs else set()
    finally:
        os.close(fd)
    wrong = {
        "bytes": found.st_size != was.size,
        "time": found.st_mtime_ns != was.mtime_ns,
        "permissions": stat.S_IMODE(found.st_mode) != was.mode,
        "owner": (found.st_uid, found.st_gid) != (was.uid, was.gid),
        "extended attributes": not names >= set(was.xattrs),
    }
    told = ", ".join(name for name, is_wrong in wrong.items() if is_wrong)
    return f"{entry.path} is back, but not as it was: {told}" if told else ""


def copy_to(source: int, entry: Entry, was: Facts) -> str:
    """A new file of an open one's bytes with everything else as in `was`, whole or not at all; SHA-256 of its bytes.

    Raises Refused where it reads otherwise than it was written, FileExistsError, OSError.
    """
    with _unfinished(entry) as fd:
        poured = _pour(source, fd)
        _dress(fd, was)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # so that the disk is read, and not what was kept of it
        if digest(fd) != poured:
            raise Refused(f"{entry.path} reads otherwise than it was written: is the disk sound?")
    return poured


@contextmanager
def _unfinished(entry: Entry) -> Iterator[int]:
    """A file open for writing that gets its name at the end, if nothing failed and nothing has that name."""
    fd = _nameless(entry.folder.fd)
    if fd is None:
        with _part(entry) as fd:
            yield fd
        return
    try:
        yield fd
        os.link(_UNNAMED.format(fd), entry.name, dst_dir_fd=entry.folder.fd, follow_symlinks=True)
    finally:
        os.close(fd)


def _nameless(folder: int) -> int | None:
    """None where the file system has no such files."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
        return None


@contextmanager
def _part(entry: Entry) -> Iterator[int]:
    """The same under another name; one that a killed process left makes way."""
    folder = entry.folder.fd
    with suppress(FileNotFoundError):
        os.unlink(PART, dir_fd=folder)
    fd = os.open(PART, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        yield fd
        linux.move(folder, PART, folder, entry.name)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(PART, dir_fd=folder)
        raise
    finally:
        os.close(fd)


def _pour(source: int, target: int) -> str:
    sha256, offset = hashlib.sha256(), 0
    while block := os.pread(source, CHUNK, offset):
        sha256.update(block)
        view = memoryview(block)
        while view:
            view = view[os.write(target, view) :]
        offset += len(block)
    return sha256.hexdigest()


def _dress(fd: int, was: Facts) -> None:
    """As far as the file system and our rights go: `differences` tells what is missing."""
    with suppress(OSError):
        os.fchown(fd, was.uid, was.gid)
    with suppress(OSError):
        os.fchmod(fd, was.mode)
    for name, value in was.xattrs.items():
        with suppress(OSError):
            os.setxattr(fd, name, b64decode(value))
    with suppress(OSError):
        os.utime(fd, ns=(was.atime_ns, was.mtime_ns))
