"""Pickles and copies: by public name, so that they load on another level and in a process that has not imported the package."""

import copy
import pickle

import pytest
from helpers_process import python, succeeds

import actloss_c
from actloss_c import _dispatch, registry

LEVELS = _dispatch.runnable_levels()


def public():
    """Everything that a user may put into a pickle."""
    functions = [getattr(actloss_c, name) for name in registry.FUNCTIONS]
    return functions + [getattr(actloss_c.ufuncs, name) for name in actloss_c.ufuncs.__all__]


@pytest.mark.parametrize("thing", public(), ids=lambda thing: f"{type(thing).__name__}-{thing.__name__}")
def test_pickles_and_copies_are_the_object_itself(thing):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(thing, protocol)
        assert pickle.loads(data) is thing
        assert not [level for level in _dispatch.ALL_LEVELS if level.encode() in data], data
    assert copy.copy(thing) is thing
    assert copy.deepcopy(thing) is thing
    assert copy.deepcopy([{"a": thing}])[0]["a"] is thing


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_methods_pickle(name):
    function = getattr(actloss_c, name)
    for method in (getattr(function, m) for m in dir(function) if m.startswith("value_") or m == "backward"):
        assert pickle.loads(pickle.dumps(method)) == method


@pytest.mark.parametrize("made,loaded", [(LEVELS[0], LEVELS[-1]), (LEVELS[-1], LEVELS[0])])
def test_pickle_of_one_level_loads_on_another(tmp_path, made, loaded):
    everything = "[getattr(al, n) for n in al.registry.FUNCTIONS] + [getattr(al.ufuncs, n) for n in al.ufuncs.__all__]"
    dump = f"import pickle, actloss_c as al; open('things', 'wb').write(pickle.dumps({everything}))"
    succeeds(python(dump, tmp_path, level=made))
    load = f"""
import pickle, actloss_c as al
from actloss_c import _dispatch
things = pickle.load(open('things', 'rb'))
assert len(things) > len(al.registry.FUNCTIONS) and all(a is b for a, b in zip(things, {everything}, strict=True))
print(_dispatch.LEVEL)
"""
    assert succeeds(python(load, tmp_path, level=loaded)).split() == [loaded]


def test_pickle_loads_without_importing_first(tmp_path):
    """Unpickling imports the package itself."""
    code = "import pickle, actloss_c as al; print(pickle.dumps(getattr(al, next(iter(al.registry.FUNCTIONS)))).hex())"
    data = succeeds(python(code, tmp_path)).strip()
    succeeds(python(f"import pickle; pickle.loads(bytes.fromhex('{data}')).grad", tmp_path))
