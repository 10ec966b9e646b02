"""`python -m weighbridge_client`."""

import sys

from weighbridge_client.cli import main

sys.exit(main())
