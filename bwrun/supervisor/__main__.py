"""
The entry point of the supervisor: `python -I -S …/bwrun/supervisor/__main__.py CHANNEL WORKER`.

CHANNEL is the descriptor of the channel to the worker, WORKER is its pid.
"""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from bwrun.supervisor.main import main

main(int(sys.argv[1]), int(sys.argv[2]))
