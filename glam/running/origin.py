"""The process that others are forked off (processes.py) imports this first: it ends with the one that began it.

Otherwise it would import torch to the end after a command that refused a mistake at once, and whoever reads that
command's output would wait for it.
"""

import ctypes
import signal

PR_SET_PDEATHSIG = 1  # Linux's prctl.h; not handed on to what is forked

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
