"""Caffe's messages, with the fields that the supported networks need.

A blob's packed floats are declared as bytes, whose encoding is the same.

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
    "ConcatParameter": "optional int32 axis = 2 [default = 1]",
    "ConvolutionParameter": "optional uint32 num_output = 1;"
    "optional bool bias_term = 2 [default = true]; repeated uint32 pad = 3;"
    "repeated uint32 kernel_size = 4; optional uint32 group = 5 [default = 1];"
    "repeated uint32 stride = 6; optional uint32 pad_h = 9; optional uint32 pad_w = 10;"
    "optional uint32 kernel_h = 11; optional uint32 kernel_w = 12; optional uint32 stride_h = 13;"
    "optional uint32 stride_w = 14; repeated uint32 dilation = 18",
    "CropParameter": "optional int32 axis = 1 [default = 2]; repeated uint32 offset = 2",
    "DropoutParameter": "optional float dropout_ratio = 1 [default = 0.5]",
    "EltwiseParameter": "optional EltwiseOp operation = 1 [default = SUM];repeated float coeff = 2",
    "InputParameter": "repeated BlobShape shape = 1",
    "LRNParameter": "optional uint32 local_size = 1 [default = 5];"
    "optional float alpha = 2 [default = 1]; optional float beta = 3 [default = 0.75];"
    "optional NormRegion norm_region = 4 [default = ACROSS_CHANNELS];"
    "optional float k = 5 [default = 1]",
    "PoolingParameter": "optional PoolMethod pool = 1 [default = MAX];"
    "optional uint32 kernel_size = 2; optional uint32 stride = 3 [default = 1];"
    "optional uint32 pad = 4 [default = 0]; optional uint32 kernel_h = 5;"
    "optional uint32 kernel_w = 6; optional uint32 stride_h = 7; optional uint32 stride_w = 8;"
    "optional uint32 pad_h = 9; optional uint32 pad_w = 10;"
    "optional bool global_pooling = 12 [default = false];"
    "optional RoundMode round_mode = 13 [default = CEIL]",
    "PythonParameter": "optional string param_str = 3",
    "ReLUParameter": "optional float negative_slope = 1 [default = 0]",
    "ScaleParameter": "optional FillerParameter filler = 3; optional bool bias_term = 4",
    "LayerParameter": "optional string name = 1; optional string type = 2;"
    "repeated string bottom = 3; repeated string top = 4; repeated BlobProto blobs = 7;"
    "optional ConcatParameter concat_param = 104;"
    "optional ConvolutionParameter convolution_param = 106;"
    "optional DropoutParameter dropout_param = 108;"
    "optional EltwiseParameter eltwise_param = 110; optional LRNParameter lrn_param = 118;"
    "optional PoolingParameter pooling_param = 121; optional ReLUParameter relu_param = 123;"
    "optional PythonParameter python_param = 130;"
    "optional ScaleParameter scale_param = 142; optional InputParameter input_param = 143;"
    "optional CropParameter crop_param = 144",
    "V1LayerParameter": "repeated string bottom = 2; repeated string top = 3;"
    "optional string name = 4; optional int32 type = 5; repeated BlobProto blobs = 6;"
    "optional ConcatParameter concat_param = 9;"
    "optional ConvolutionParameter convolution_param = 10;"
    "optional DropoutParameter dropout_param = 12; optional LRNParameter lrn_param = 18;"
    "optional PoolingParameter pooling_param = 19; optional EltwiseParameter eltwise_param = 24;"
    "optional ReLUParameter relu_param = 30",
    "NetParameter": "optional string name = 1; repeated V1LayerParameter layers = 2;"
    "repeated LayerParameter layer = 100",
}

ENUMS = {
    "EltwiseOp": ("EltwiseParameter", ("PROD", "SUM", "MAX")),
    "NormRegion": ("LRNParameter", ("ACROSS_CHANNELS", "WITHIN_CHANNEL")),
    "PoolMethod": ("PoolingParameter", ("MAX", "AVE", "STOCHASTIC")),
    "RoundMode": ("PoolingParameter", ("CEIL", "FLOOR")),
}
"""By enum: the message that declares it, and its values, numbered from 0."""

V1_TYPES = {
    3: "Concat",
    4: "Convolution",
    6: "Dropout",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    25: "Eltwise",
    39: "Deconvolution",
}
"""The layer types of the old format that supported networks have, by number."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="fcn_lightning/caffe.proto", package="caffe", syntax="proto2"
    )
    for name, declared in MESSAGES.items():
        message = file.message_type.add(name=name)
        for enum, (owner, values) in ENUMS.items():
            if owner == name:
                own = message.enum_type.add(name=enum)
                for number, value in enumerate(values):
                    own.value.add(name=value, number=number)
        for line in declared.split(";"):
            plain, _, default = line.rstrip("]").partition(" [default = ")
            label, kind, field, _, at = plain.split()
            given = {"default_value": default} if default else {}
            _declare(message.field.add(name=field, number=int(at), **given), label, kind)
    return file


def _declare(field: descriptor_pb2.FieldDescriptorProto, label: str, kind: str) -> None:
    known = descriptor_pb2.FieldDescriptorProto.Type
    field.label = descriptor_pb2.FieldDescriptorProto.Label.Value(f"LABEL_{label.upper()}")
    if kind in MESSAGES or kind in ENUMS:
        field.type = known.Value("TYPE_MESSAGE" if kind in MESSAGES else "TYPE_ENUM")
        owner = f"{ENUMS[kind][0]}." if kind in ENUMS else ""
        field.type_name = f".caffe.{owner}{kind}"
    else:
        field.type = known.Value(f"TYPE_{kind.upper()}")


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()  # not the default one, which may contain Caffe's
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
