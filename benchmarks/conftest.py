"""What a stored result must say about its machine."""

import numpy as np

from actloss_c import _build, bench


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info.update(processor_name=bench.processor(), level=_build.LEVEL, compiler=_build.compiler(), numpy=np.__version__)
