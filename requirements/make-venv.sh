#!/bin/sh
# Makes the virtual environment DIR with the first Python that is new enough: make-venv.sh DIR [PYTHON]
# Every way to fail ends with one sentence that says what to install.
set -eu

directory=$1
wanted=${2:-}
too_old=
without_venv=

# A name on PATH may be a stub that only prints an error (pyenv), so a candidate counts by what it answers.
for python in ${wanted:-python3.13 python3.12 python3.11 python3 python3.14}; do
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        too_old="$python is Python $version"
        continue
    fi
    # Debian and Ubuntu split venv and ensurepip off into a package of their own.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        without_venv=${without_venv:-$version}
        continue
    fi
    rm -rf "$directory"
    echo "making $directory with $("$python" -c 'import sys; print(sys.executable)') (Python $version)"
    # Half an environment would look like a whole one to the next run.
    trap 'rm -rf "$directory"; exit 130' INT TERM
    "$python" -m venv "$directory" || { rm -rf "$directory"; exit 1; }
    exit 0
done

if [ -n "$without_venv" ]; then
    echo "Python $without_venv is here, but without its module venv (or ensurepip)." >&2
    echo "Install it, on Debian or Ubuntu: sudo apt install python$without_venv-venv" >&2
elif [ -n "$too_old" ]; then
    echo "splitter needs Python 3.11 or newer, and $too_old." >&2
    echo "Install a newer one (Debian 12, Ubuntu 24.04: sudo apt install python3 python3-venv), or say where it is: make PYTHON=/path/to/python3.12" >&2
elif [ -n "$wanted" ]; then
    echo "PYTHON=$wanted does not run." >&2
else
    echo "splitter needs Python 3.11 or newer, and there is none on PATH." >&2
    echo "Install it, on Debian or Ubuntu: sudo apt install python3 python3-venv; or say where it is: make PYTHON=/path/to/python3.12" >&2
fi
exit 1
