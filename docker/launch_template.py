"""The file that the launcher of Dataflow Flex Templates runs; docker/Dockerfile.template puts it into the image."""

import sys

from pipeline.cli.programs.launch_template import launch_template

if __name__ == "__main__":
    sys.exit(launch_template())
