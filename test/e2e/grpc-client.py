"""Calls Holdfast with gRPC's own C++ implementation, the one under Triton's and TensorFlow Serving's clients.

Usage: grpc-client.py ADDRESS MODEL, with the messages that protoc generated on PYTHONPATH. Sends 30 features; prints one
JSON object with what came back.
"""
import json
import struct
import sys

import grpc
import health_pb2 as health
import open_inference_pb2 as oip
import reflection_pb2 as reflection
import tensorflow_serving_pb2 as tfs
from google.protobuf import json_format

address, model = sys.argv[1:]
features = [i / 30 for i in range(30)]
time_limit_s = 30
inference = "/inference.GRPCInferenceService/"


def method(kind, path, request, answer):
    return getattr(channel, kind)(
        path, request_serializer=request.SerializeToString, response_deserializer=answer.FromString
    )


def unary(path, request, answer, **options):
    return method("unary_unary", path, type(request), answer)(request, timeout=time_limit_s, **options)


def infer_request(is_raw, request_id=""):
    request = oip.ModelInferRequest(model_name=model, id=request_id)
    tensor = request.inputs.add(name="features", datatype="FP32", shape=[1, 30])
    tensor.contents.fp32_contents.extend(features)
    if is_raw:
        tensor.ClearField("contents")
        request.raw_input_contents.append(struct.pack("<30f", *features))
    return request


def predict_request():
    request = tfs.PredictRequest()
    request.model_spec.name = model
    tensor = request.inputs["features"]
    tensor.dtype = 1
    for size in (1, 30):
        tensor.tensor_shape.dim.add(size=size)
    tensor.float_val.extend(features)
    return request


def refusal(request):
    try:
        unary(inference + "ModelInfer", request, oip.ModelInferResponse)
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    return None


def scores(answer):
    return [raw.hex() for raw in answer.raw_output_contents]


with grpc.insecure_channel(address) as channel:
    stream = method("stream_stream", inference + "ModelStreamInfer", oip.ModelInferRequest, oip.ModelStreamInferResponse)
    streamed = stream(iter([infer_request(True, str(i)) for i in range(5)]), timeout=time_limit_s)
    services = method(
        "stream_stream",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection.ServerReflectionRequest,
        reflection.ServerReflectionResponse,
    )(iter([reflection.ServerReflectionRequest(list_services="*")]), timeout=time_limit_s)
    raw = unary(inference + "ModelInfer", infer_request(True), oip.ModelInferResponse)
    print(
        json.dumps(
            {
                "health": unary(
                    "/grpc.health.v1.Health/Check", health.HealthCheckRequest(), health.HealthCheckResponse
                ).status,
                "live": unary(inference + "ServerLive", oip.ServerLiveRequest(), oip.ServerLiveResponse).live,
                "metadata": json_format.MessageToDict(
                    unary(inference + "ModelMetadata", oip.ModelMetadataRequest(name=model), oip.ModelMetadataResponse)
                ),
                "raw": scores(raw),
                "typed": list(
                    unary(inference + "ModelInfer", infer_request(False), oip.ModelInferResponse)
                    .outputs[0]
                    .contents.fp32_contents
                ),
                "gzip": scores(
                    unary(
                        inference + "ModelInfer",
                        infer_request(True),
                        oip.ModelInferResponse,
                        compression=grpc.Compression.Gzip,
                    )
                ),
                "streamed": sorted((one.infer_response.id, *scores(one.infer_response)) for one in streamed),
                "predict": list(
                    unary("/tensorflow.serving.PredictionService/Predict", predict_request(), tfs.PredictResponse)
                    .outputs[raw.outputs[0].name]
                    .float_val
                ),
                "services": sorted(
                    service.name for answer in services for service in answer.list_services_response.service
                ),
                "refusal": refusal(oip.ModelInferRequest(model_name="nobody")),
            }
        )
    )
