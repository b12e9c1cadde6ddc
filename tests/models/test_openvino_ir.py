"""Graphs that no reader is given: what they state does not fit together, or is more than any model needs."""

from __future__ import annotations

import struct

import pytest

from seqcls.models import openvino_ir
from seqcls.models.openvino_ir import ir_problem, parse_ir

WEIGHTS = struct.pack("<2q4f", 0, 1, 1.0, 2.0, 3.0, 4.0)
#: (1, 4) bytes; a constant; their sum, a convolution of it, and the result. It needs to make sense to no library.
XML = """<?xml version="1.0"?>
<net name="seqcls" version="11">
 <layers>
  <layer id="0" name="images" type="Parameter" version="opset1"><data shape="1,4" element_type="u8"/>
   <output><port id="0" precision="U8" names="images"><dim>1</dim><dim>4</dim></port></output></layer>
  <layer id="1" name="c" type="Const" version="opset1"><data element_type="f32" shape="1, 4" offset="16" size="16"/>
   <output><port id="0" precision="FP32"><dim>1</dim><dim>4</dim></port></output></layer>
  <layer id="2" name="axes" type="Const" version="opset1"><data element_type="i64" shape="2" offset="0" size="16"/>
   <output><port id="0" precision="I64"><dim>2</dim></port></output></layer>
  <layer id="3" name="a" type="Add" version="opset1"><data auto_broadcast="numpy"/>
   <input><port id="0"/><port id="1"/></input><output><port id="2"/></output></layer>
  <layer id="4" name="v" type="Convolution" version="opset1">
   <data strides="2, 2" dilations="1, 1" pads_begin="1, 1" pads_end="3, 3" auto_pad="explicit"/>
   <input><port id="0"/><port id="1"/></input><output><port id="2"/></output></layer>
  <layer id="5" name="r" type="Result" version="opset1"><input><port id="0"/></input></layer>
 </layers>
 <edges>
  <edge from-layer="0" from-port="0" to-layer="3" to-port="0"/><edge from-layer="1" from-port="0" to-layer="3" to-port="1"/>
  <edge from-layer="3" from-port="2" to-layer="4" to-port="0"/><edge from-layer="2" from-port="0" to-layer="4" to-port="1"/>
  <edge from-layer="4" from-port="2" to-layer="5" to-port="0"/>
 </edges>
 <rt_info><seqcls><header value="{}"/></seqcls></rt_info>
</net>"""


def problem(xml: str, weights: bytes = WEIGHTS) -> str:
    return ir_problem(parse_ir(xml.encode()), weights)


def test_a_graph_that_fits_together() -> None:
    assert problem(XML) == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('strides="2, 2"', 'strides="0, 0"', "its layer 4, Convolution, has strides of 0, 0"),  # ended the process
        ('strides="2, 2"', 'strides="2, 99"', "has strides of 2, 99"),
        ('strides="2, 2"', 'strides=""', "has strides of"),
        ('dilations="1, 1"', 'dilations="0, 1"', "has dilations of 0, 1"),
        ('pads_begin="1, 1"', 'pads_begin="-1, 1"', "has pads_begin of -1, 1"),
        ('pads_end="3, 3"', f'pads_end="{10**18}, 3"', "has pads_end of 10000"),
        ('auto_pad="explicit"', 'auto_pad="1 2"', "has auto_pad of 1 2"),
        ('auto_broadcast="numpy"', 'auto_broadcast="numpy" new="7"', "its layer 3, Add, has new of 7"),
        ('type="Add"', 'type="Loop"', "its layer 3, Loop, is an operation that no seqcls model has"),
        ("<dim>4</dim>", "<dim>0</dim>", "its layer 0, Parameter, has a tensor of 1x0, more or less than"),
        ("<dim>4</dim>", f"<dim>{10**9}</dim>", "has a tensor of 1x1000000000"),
        ("<dim>4</dim>", "<dim>4</dim>" * 5, "has a tensor of 1x4x4x4x4x4"),
        ("<dim>4</dim>", "<dim/>", "words or fractions where numbers belong"),
        ('shape="1,4"', 'shape="-1,4"', "has a tensor of -1x4"),
        ('offset="16"', 'offset="24"', "its layer 1, Const, lies outside of the weights"),
        ('offset="16"', 'offset="-16"', "lies outside of the weights"),
        ('size="16"', 'size="8"', "or has another size than its shape"),
        ('element_type="f32"', 'element_type="u4"', "holds u4"),
        ('element_type="f32" ', "", "lacks 'element_type'"),
        ('element_type="i64" shape="2"', 'element_type="i32" shape="4"', ""),
        ('id="4" name="v"', 'id="3" name="v"', "two of its layers have one number"),
        ('id="4" name="v"', 'id="04" name="v"', "words or fractions where numbers belong"),
        ('from-layer="2"', 'from-layer="9"', "lacks '9'"),
        ('from-layer="2" from-port="0"', 'from-layer="2" from-port="7"', "its edges do not fit its layers"),
        ('to-layer="4" to-port="1"', 'to-layer="4" to-port="0"', "its edges do not fit its layers"),
        ('<edge from-layer="4" from-port="2" to-layer="5" to-port="0"/>', "", "a layer of it is given nothing"),
        ('from-layer="0" from-port="0" to-layer="3"', 'from-layer="4" from-port="2" to-layer="3"', "form a circle"),
        ("<rt_info>", "<pre-processing/><rt_info>", "it has other parts than layers, edges and notes"),
        ("<rt_info>", "<edges/><rt_info>", "it has other parts than layers"),
        ('<data auto_broadcast="numpy"/>', '<data auto_broadcast="numpy"/><body/>', "has other parts than attributes"),
        ('<data auto_broadcast="numpy"/>', "<data/><data/>", "has its attributes twice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(old: str, new: str, said: str) -> None:
    found = problem(XML.replace(old, new, 1))
    assert (said in found and "\n" not in found) if said else found == ""


def test_constants_are_looked_at() -> None:
    assert "its layer 1, Const, holds NaN or infinite" in problem(
        XML, WEIGHTS[:16] + struct.pack("<4f", 1, 2, 3, float("nan"))
    )
    assert "its layer 2, Const, holds axes or sizes" in problem(XML, struct.pack("<q", 10**12) + WEIGHTS[8:])


def test_there_are_only_so_many_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_ir, "MAX_LAYERS", 5)
    assert problem(XML) == "it has 6 layers and 5 edges, more than a model needs"


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        (b"<net>" + b"<a>" * 20, "is larger, or nested deeper, than the graph of any model"),
        (b"<net>" + b"<a/>" * 101_000 + b"</net>", "is larger, or nested deeper"),
        (b"<a " + b" ".join(b'b%d="1"' % k for k in range(101_000)) + b"/>", "is larger, or nested deeper"),
        (b"<!DOCTYPE a><net/>", "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><net>&b;</net>'.encode("utf-16"), "declares a document type"),
        (b"<net>", "is not whole XML"),
        (b"", "is not whole XML"),
    ],
    ids=["deep", "wide", "attributes", "type", "utf-16", "cut", "empty"],
)
def test_more_xml_than_any_graph_is_not_built(xml: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_ir(xml)
