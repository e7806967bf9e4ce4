"""Each function of the registry, for tensors; actloss_c/__init__.pyi has the arguments."""

from typing import Any

from torch import Tensor

class _Function:
    name: str
    formula: str
    def __call__(self, *arguments: Any, **named: Any) -> Tensor: ...

__all__: list[str]

def __getattr__(name: str) -> _Function: ...
