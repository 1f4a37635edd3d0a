#!/usr/bin/env bash
# Make (or bring up to date) the virtual environment in $1 from a bare machine with python3.
#
# torch comes first and by hand, because its default Linux build pulls gigabytes of CUDA libraries:
#   - a torch that python3 already has (a CUDA one, say) is used as it is, through --system-site-packages;
#   - with an NVIDIA driver on the machine, pip's default build is taken;
#   - otherwise the CPU build, from PyTorch's own index when it can be reached, else from wherever pip looks.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}
torch=${TORCH:-torch==2.13.0}
cpu_index=https://download.pytorch.org/whl/cpu

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "sklar needs Python 3.11 or newer; $("$python" --version) was found. Name another: make PYTHON=python3.12" >&2
    exit 1
}
if [ ! -x "$venv/bin/python" ]; then
    share=()
    if "$python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'; then
        echo "Using the torch that $python already has."
        share=(--system-site-packages)
    fi
    "$python" -m venv ${share[@]+"${share[@]}"} "$venv" || {
        rm -rf "$venv"
        echo "python3 could not make a virtual environment; on Debian or Ubuntu: apt install python3-venv" >&2
        exit 1
    }
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
if ! "$venv/bin/python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)'; then
    extra=()
    if [ "$(uname -s)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then
        reachable="import urllib.request; urllib.request.urlopen('$cpu_index/', timeout=5)"
        if "$venv/bin/python" -c "$reachable" >/dev/null 2>&1; then
            extra=(--extra-index-url "$cpu_index")
        fi
    fi
    echo "Installing $torch ..."
    "${pip[@]}" install ${extra[@]+"${extra[@]}"} "$torch"
fi
echo "Installing sklar and its tools ..."
"${pip[@]}" install --editable '.[dev]'
touch "$venv/ready"
