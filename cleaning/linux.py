"""What Linux can do and Python has no name for."""

import ctypes
import errno
import fcntl
import os
import signal
import struct

NOREPLACE = 1  # renameat2(2)
EXCHANGE = 2
_FIDEDUPERANGE = 0xC0189436  # linux/fs.h
_RANGE = struct.Struct("=QQHHI qQQiI")
_AT_ONCE = 16 << 20  # some kernels share no more in one call
_DIFFERS = 1  # FILE_DEDUPE_RANGE_DIFFERS
_CANNOT = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS}

_libc = ctypes.CDLL(None, use_errno=True)


def rename(old_folder: int, old: str, new_folder: int, new: str, flag: int) -> None:
    """renameat2 with NOREPLACE or EXCHANGE; EINVAL or ENOSYS where the file system, or the C library, cannot."""
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(old_folder, os.fsencode(old), new_folder, os.fsencode(new), ctypes.c_uint(flag)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), old)


def move(old_folder: int, old: str, new_folder: int, new: str) -> None:
    """Renames, and replaces nothing: FileExistsError. Killed in between, where it takes two steps, both names stand."""
    try:
        rename(old_folder, old, new_folder, new, NOREPLACE)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        os.link(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder, follow_symlinks=False)
        os.unlink(old, dir_fd=old_folder)


def hold_writers_off(file: int) -> bool:
    """Whether nobody has the open file open for writing. Until it is closed whoever opens it for writing waits for us.

    Where leases are not to be had (not our file, or a file system without) nobody is held off; the answer is True.
    """
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # a signal that does nothing tells of those who wait
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno != errno.EAGAIN
    return True


def share_blocks(source: int, target: int, size: int) -> bool:
    """Let `target` share the blocks of `source`, both open; False where their bytes differ, and nothing is done.

    The kernel compares under its own locks (FIDEDUPERANGE), so there is no moment in which the bytes could be others.
    Neither file's times change. Raises OSError: EOPNOTSUPP where the file system cannot.
    """
    done = 0
    while done < size:
        content = bytearray(_RANGE.pack(done, min(size - done, _AT_ONCE), 1, 0, 0, target, done, 0, 0, 0))
        try:
            fcntl.ioctl(source, _FIDEDUPERANGE, content)
        except OSError as error:
            raise _cannot(error.errno or 0) from None
        shared, status = _RANGE.unpack(content)[7:9]
        if status < 0:
            raise _cannot(-status)
        if status == _DIFFERS or not shared:
            return False
        done += shared
    return True


def _cannot(number: int) -> OSError:
    return (
        OSError(errno.EOPNOTSUPP, "the file system cannot share blocks (reflink) between the two")
        if (number in _CANNOT)
        else OSError(number, os.strerror(number))
    )
