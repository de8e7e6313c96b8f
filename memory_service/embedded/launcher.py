"""Become another program: new session, dropped privileges, death with the parent.

This file is run as a script by a bare interpreter (`python -I -S launcher.py OPTIONS COMMAND…`), because none of this
is safe in a forked copy of a process that has threads. It needs the standard library only, and ends in `exec`: the
process id of the launcher is the process id of the program.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any, NoReturn

CANNOT_DROP = 96  # Exit status: the privileges could not be dropped here.
CANNOT_REACH = 97  # Exit status: a folder cannot be reached with the dropped privileges.

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def _enter_user_namespace(uid: int, gid: int) -> None:
    """Look like `uid` to the program while the kernel still sees the present user.

    Postgres refuses user id 0, not the rights that come with it. Inside the namespace it sees `uid`; files it makes
    still belong to the user outside, so a checkout in a home of mode 0700 works.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _become(uid: int, gid: int) -> None:
    """Give up the present user for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _die_with(parent: int, signal_number: int) -> None:
    """Ask the kernel to signal this process when its parent ends (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:  # The parent ended before the kernel was told.
        sys.exit(0)


def main(options: dict[str, Any], command: list[str]) -> NoReturn:
    """Apply `options` and run `command` in this process.

    Options: `session` (bool), `privileges` ({kind: "same" | "namespace" | "setuid", uid, gid}),
    `reach` (folders that must be accessible afterwards), `death_signal` and `parent` (numbers).
    """
    if options.get("session"):
        os.setsid()
    privileges = options.get("privileges") or {"kind": "same"}
    try:
        if privileges["kind"] == "namespace":
            _enter_user_namespace(privileges["uid"], privileges["gid"])
        elif privileges["kind"] == "setuid":
            _become(privileges["uid"], privileges["gid"])
    except OSError as error:
        print(f"cannot drop privileges: {error}", file=sys.stderr)
        sys.exit(CANNOT_DROP)
    for folder in options.get("reach", ()):
        if not os.access(folder, os.X_OK):
            print(f"cannot reach {folder}", file=sys.stderr)
            sys.exit(CANNOT_REACH)
    os.umask(0o077)
    # Last, because the kernel forgets the death signal when the credentials of a process change.
    if options.get("death_signal"):
        _die_with(options["parent"], options["death_signal"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and programs inherit what is ignored.
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
