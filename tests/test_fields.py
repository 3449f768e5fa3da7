from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netgen.fields import FieldError, check_fields
from netgen.graph import Fields, Literal


def conv(**values: Any) -> Fields:
    return check_fields("ConvolutionParameter", values)


def test_values_take_the_one_form_that_the_graph_holds() -> None:
    assert conv(num_output=np.int64(8), kernel_size=3, bias_term=np.False_) == {
        "num_output": 8,
        "kernel_size": (3,),
        "bias_term": False,
    }
    assert check_fields("BatchNormParameter", {"eps": 0.0010000000475}) == {"eps": 0.001}
    assert type(check_fields("BatchNormParameter", {"eps": 1})["eps"]) is float
    assert str(check_fields("PowerParameter", {"shift": -0.0})["shift"]) == "-0.0"
    assert check_fields("PoolingParameter", {"pool": 1}) == {"pool": "AVE"}
    assert conv(num_output=None, kernel_size=[3, 5]) == {"kernel_size": (3, 5)}


def test_short_forms() -> None:
    assert conv(weight_filler="xavier") == {"weight_filler": {"type": "xavier"}}
    assert conv(bias_filler=0.5) == {"bias_filler": {"type": "constant", "value": 0.5}}
    assert check_fields("LayerParameter", {"include": "TRAIN"}) == {"include": ({"phase": "TRAIN"},)}
    assert check_fields("InputParameter", {"shape": (1, 3)}) == {"shape": ({"dim": (1, 3)},)}
    assert check_fields("InputParameter", {"shape": [(1, 3), (1,)]}) == {"shape": ({"dim": (1, 3)}, {"dim": (1,)})}


@pytest.mark.parametrize(
    ("message", "values", "text"),
    [
        ("ConvolutionParameter", {"kernal_size": 3}, "no field 'kernal_size'; did you mean 'kernel_size'?"),
        ("ConvolutionParameter", {"num_output": "8"}, "num_output must be a whole number, got '8'"),
        ("ConvolutionParameter", {"num_output": 8.0}, "num_output must be a whole number, got 8.0"),
        ("ConvolutionParameter", {"num_output": True}, "num_output must be a whole number, got True"),
        ("ConvolutionParameter", {"num_output": -1}, "num_output must lie in 0..4294967295 (uint32), got -1"),
        (
            "ConvolutionParameter",
            {"num_output": 2**32},
            "num_output must lie in 0..4294967295 (uint32), got 4294967296",
        ),
        ("ConvolutionParameter", {"bias_term": 1}, "bias_term must be True or False, got 1"),
        ("ConvolutionParameter", {"bias_term": [True, False]}, "bias_term takes one value, got 2: [True, False]"),
        ("ConvolutionParameter", {"kernel_size": [3, "x"]}, "kernel_size must be a whole number, got 'x'"),
        (
            "ConvolutionParameter",
            {"weight_filler": {"std": "big"}},
            "weight_filler.std must be a number, got 'big'",
        ),
        (
            "ConvolutionParameter",
            {"weight_filler": {"sdt": 1}},
            "no field 'sdt'; did you mean 'std'? (in weight_filler)",
        ),
        (
            "ConvolutionParameter",
            {"weight_filler": 3 + 4j},
            "weight_filler must be a dict of the fields of FillerParameter, got (3+4j)",
        ),
        ("NetState", {"phase": "VAL"}, "phase must be one of TRAIN, TEST, got 'VAL'"),
        ("NetState", {"phase": "test"}, "phase must be one of TRAIN, TEST, got 'test'; did you mean 'TEST'?"),
        ("BatchNormParameter", {"eps": "small"}, "eps must be a number, got 'small'"),
        ("LayerParameter", {"name": 5}, "name must be a string, got 5"),
        ("LayerParameter", {"name": "\ud800"}, "name holds a character that is not text, got '\\ud800'"),
        ("ClipParameter", {"min": 0}, "max is required and was not given"),
        ("LayerParameter", {"clip_param": {"min": 0}}, "clip_param.max is required and was not given"),
    ],
)
def test_wrong_values(message: str, values: dict[str, Any], text: str) -> None:
    with pytest.raises(FieldError) as error:
        check_fields(message, values)
    assert str(error.value) == text


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(FieldError) as error:
        conv(num_output="x" * 10_000)
    assert len(str(error.value)) < 120


def test_one_kind_of_value_does_not_pass_for_another_that_compares_equal() -> None:
    assert conv(num_output=1) == {"num_output": 1}
    with pytest.raises(FieldError):
        conv(num_output=True)
    zero = check_fields("PowerParameter", {"shift": 0.0})["shift"]
    minus = check_fields("PowerParameter", {"shift": -0.0})["shift"]
    assert (str(zero), str(minus)) == ("0.0", "-0.0")


def test_literals_are_strings_apart() -> None:
    assert repr(Literal("AVE")) == "Literal('AVE')"
