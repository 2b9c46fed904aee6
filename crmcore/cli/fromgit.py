"""Policies as git has them: ``main:shop.toml`` at a commit, ``:shop.toml`` in the index."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from crmcore.cli.statuses import UsageError
from crmcore.documents import read_file
from crmcore.errors import PolicyError
from crmcore.policy import Policy, load_policy
from crmcore.policy.document import POLICY

__all__ = ["is_in_git", "policy_in_git"]

# One letter and a slash is a drive, not a commit.
_NAMED: Final = re.compile(r"(?![A-Za-z]:[\\/])([^:]*):(.+\.(?:toml|json))")
_MOST_FILES: Final = 7
_MOST_BYTES: Final = (1 << 20) + 1


def is_in_git(name: str) -> bool:
    r"""Tell whether a name means a file that git has, such as ``HEAD~1:policies/shop.toml``.

    Examples
    --------
    >>> is_in_git("main:shop.toml"), is_in_git(":shop.toml"), is_in_git(r"C:\shop.toml")
    (True, True, False)
    """
    return _NAMED.fullmatch(name) is not None and not Path(name).exists()


def policy_in_git(name: str) -> Policy:
    """Return the policy that a file is at a commit or, where none is named, in the index.

    What it extends is read there too.

    The file is named as from the present folder, and need not exist there any more.

    Raises
    ------
    UsageError
        There is no git, no such commit, or no such file in it.
    PolicyError
        With every problem of the policy.
    """
    found = _NAMED.fullmatch(name)
    assert found is not None  # as `is_in_git` has told
    ref, file = found[1], PurePosixPath(found[2].replace("\\", "/"))
    if ref.startswith("-"):
        raise UsageError(f"{name}: no commit has a name that begins with '-'")
    folder = next(one for one in (Path(file).parent, *Path(file).parent.parents) if one.is_dir())
    with tempfile.TemporaryDirectory() as copies:
        try:
            _fetch(ref, folder, PurePosixPath(Path(file).relative_to(folder)), Path(copies))
            return load_policy(Path(copies) / file.name)
        except PolicyError as error:
            parent = "" if file.parent == PurePosixPath() else f"{file.parent}/"
            raise _renamed(error, Path(copies), f"{ref}:{parent}") from None


def _fetch(ref: str, folder: Path, file: PurePosixPath, copies: Path) -> None:
    """Copy a file of a commit, and then those that it extends."""
    copy = copies / file.name
    for _ in range(_MOST_FILES):
        content = _content(ref, folder, file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        base = read_file(copy, POLICY).table.get("extends")
        if not isinstance(base, str) or not base.endswith((".toml", ".json")):
            return
        parts = PurePosixPath(base.replace("\\", "/"))
        if parts.is_absolute() or Path(base).is_absolute() or ".." in parts.parts:
            return  # loading says what is wrong with that
        file, copy = file.parent / parts, copy.parent / parts


def _content(ref: str, folder: Path, file: PurePosixPath) -> bytes:
    """Return a file of a commit, by git itself."""
    command = ["git", "-C", str(folder), "cat-file", "blob", f"{ref}:./{file}"]
    try:
        with subprocess.Popen(  # noqa: S603  # no shell, and nothing that git takes as an option
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as git:
            assert git.stdout is not None  # as it is a pipe
            content = git.stdout.read(_MOST_BYTES)
            git.stdout.close()
    except FileNotFoundError:
        raise UsageError(f"{ref}:{file}: git is not installed") from None
    if git.returncode and len(content) < _MOST_BYTES:
        raise UsageError(f"{ref}:{folder / file}: {_why(ref, folder)}")
    return content


def _why(ref: str, folder: Path) -> str:
    """Return why git has no such file."""
    place = "the present folder" if folder == Path() else str(folder)
    if not _knows(folder, "--git-dir"):
        return f"{place} is in no git repository"
    if not ref:
        return f"there is no such file in git's index, seen from {place}"
    if not _knows(folder, "--verify", "--end-of-options", f"{ref}^{{commit}}"):
        return f"git knows no commit, branch or tag {ref!r}"
    return f"there is no such file at {ref!r}, seen from {place}"


def _knows(folder: Path, *what: str) -> bool:
    command = ["git", "-C", str(folder), "rev-parse", "--quiet", *what]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # as above
    return done.returncode == 0


def _renamed(error: PolicyError, copies: Path, place: str) -> PolicyError:
    """Name the files of a refusal as they are named in git."""
    problems = []
    for one in error.problems:
        file = Path(one.file or "")
        if file.is_relative_to(copies):
            one = replace(one, file=f"{place}{file.relative_to(copies).as_posix()}")
        problems.append(one)
    return PolicyError(problems)
