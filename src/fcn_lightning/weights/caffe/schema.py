"""Caffe's messages, with just the fields that our networks need.

Packed floats of a blob are declared as bytes, which are the same on the wire.

Source: BVLC/caffe src/caffe/proto/caffe.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

MESSAGES = {
    "BlobShape": "repeated int64 dim = 1",
    "BlobProto": "optional int64 num = 1; optional int64 channels = 2; optional int64 height = 3;"
    "optional int64 width = 4; optional bytes data = 5; optional BlobShape shape = 7;"
    "optional bytes double_data = 8",
    "FillerParameter": "optional string type = 1; optional float value = 2",
    "ConcatParameter": "optional int32 axis = 2",
    "ConvolutionParameter": "optional uint32 num_output = 1; optional bool bias_term = 2;"
    "repeated uint32 pad = 3; repeated uint32 kernel_size = 4; optional uint32 group = 5;"
    "repeated uint32 stride = 6",
    "CropParameter": "optional int32 axis = 1; repeated uint32 offset = 2",
    "EltwiseParameter": "optional EltwiseOp operation = 1; repeated float coeff = 2",
    "InputParameter": "repeated BlobShape shape = 1",
    "LRNParameter": "optional uint32 local_size = 1; optional float alpha = 2;"
    "optional float beta = 3; optional float k = 5",
    "PoolingParameter": "optional PoolMethod pool = 1; optional uint32 kernel_size = 2;"
    "optional uint32 stride = 3; optional uint32 pad = 4",
    "PythonParameter": "optional string param_str = 3",
    "ScaleParameter": "optional FillerParameter filler = 3; optional bool bias_term = 4",
    "LayerParameter": "optional string name = 1; optional string type = 2;"
    "repeated string bottom = 3; repeated string top = 4; repeated BlobProto blobs = 7;"
    "optional ConcatParameter concat_param = 104;"
    "optional ConvolutionParameter convolution_param = 106;"
    "optional EltwiseParameter eltwise_param = 110; optional LRNParameter lrn_param = 118;"
    "optional PoolingParameter pooling_param = 121; optional PythonParameter python_param = 130;"
    "optional ScaleParameter scale_param = 142; optional InputParameter input_param = 143;"
    "optional CropParameter crop_param = 144",
    "V1LayerParameter": "repeated string bottom = 2; repeated string top = 3;"
    "optional string name = 4; optional int32 type = 5; repeated BlobProto blobs = 6;"
    "optional ConvolutionParameter convolution_param = 10",
    "NetParameter": "optional string name = 1; repeated V1LayerParameter layers = 2;"
    "repeated LayerParameter layer = 100",
}

ENUMS = {"EltwiseOp": {"SUM": 1}, "PoolMethod": {"MAX": 0}}

V1_TYPES = {4: "Convolution", 14: "InnerProduct", 15: "LRN", 39: "Deconvolution"}
"""Layer types of the old format by their numbers, as far as it matters which one it is."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="fcn_lightning/caffe.proto", package="caffe", syntax="proto2"
    )
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, declared in MESSAGES.items():
        message = file.message_type.add(name=name)
        for line in declared.split(";"):
            label, kind, field, _, at = line.split()
            _declare(message.field.add(name=field, number=int(at)), label, kind)
    return file


def _declare(field: descriptor_pb2.FieldDescriptorProto, label: str, kind: str) -> None:
    known = descriptor_pb2.FieldDescriptorProto.Type
    field.label = descriptor_pb2.FieldDescriptorProto.Label.Value(f"LABEL_{label.upper()}")
    if kind in MESSAGES or kind in ENUMS:
        field.type = known.Value("TYPE_MESSAGE" if kind in MESSAGES else "TYPE_ENUM")
        field.type_name = f".caffe.{kind}"
    else:
        field.type = known.Value(f"TYPE_{kind.upper()}")


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()  # of its own: a program may hold Caffe's too
    pool.AddSerializedFile(_file().SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"caffe.{name}"))
        for name in MESSAGES
    }


_CLASSES = _classes()
BlobProto = _CLASSES["BlobProto"]
LayerParameter = _CLASSES["LayerParameter"]
NetParameter = _CLASSES["NetParameter"]
V1LayerParameter = _CLASSES["V1LayerParameter"]


def number_of(message: Any, field: str) -> int:
    """The number of a message's field."""
    number: int = message.DESCRIPTOR.fields_by_name[field].number
    return number
