"""Systems under test that come with mlassay: runtimes, wrappers round a function, and the null SUT."""

from __future__ import annotations

from mlassay.core.registry import Entry, registry

backend_registry = registry(
    "backend",
    "mlassay.backends",
    Entry("null", "mlassay.backends.null:NullSUT", "answers at once with nothing: the load generator's own cost"),
    Entry(
        "onnxruntime",
        "mlassay.backends.onnxruntime:OnnxRuntime",
        "ONNX models on ONNX Runtime, every execution provider",
        "onnx",
        "onnxruntime",
    ),
    Entry(
        "openvino",
        "mlassay.backends.openvino:OpenVino",
        "ONNX, OpenVINO and TFLite models on OpenVINO, one at a time or a pool in flight",
        "openvino",
    ),
    Entry(
        "torch",
        "mlassay.backends.torch:Torch",
        "ONNX, TorchScript and exported models on PyTorch: eager or compiled, processor or GPU, f32, bf16, int8",
        "torch",
    ),
    Entry(
        "litert",
        "mlassay.backends.litert:LiteRt",
        "TFLite models on LiteRT (TensorFlow Lite)",
        "litert",
        "ai_edge_litert",
    ),
    Entry(
        "tensorflow",
        "mlassay.backends.tensorflow:TensorFlow",
        "SavedModels, Keras and TFLite models on TensorFlow",
        "tensorflow",
    ),
    Entry(
        "armnn",
        "mlassay.backends.armnn:ArmNn",
        "TFLite models on Arm NN: Arm processors and Mali graphics",
        module="pyarmnn",
        install="apt-get install python3-pyarmnn, and let this Python see it",
    ),
    Entry("opencv", "mlassay.backends.opencv:OpenCvDnn", "ONNX models on OpenCV's dnn module", "opencv", "cv2"),
    Entry(
        "onnx-generation",
        "mlassay.backends.onnx_generation:OnnxGeneration",
        "language models as ONNX files on ONNX Runtime, token by token, continuous batching",
        "onnx",
        "onnxruntime",
    ),
    Entry(
        "openvino-generation",
        "mlassay.backends.openvino_generation:OpenVinoGeneration",
        "language models as ONNX files on OpenVINO, token by token, continuous batching",
        "openvino",
    ),
    Entry(
        "torch-generation",
        "mlassay.backends.torch_generation:TorchGeneration",
        "language models as ONNX files on PyTorch, token by token, continuous batching",
        "torch",
    ),
    Entry(
        "llama-cpp",
        "mlassay.backends.llama_cpp:LlamaCpp",
        "language models as GGUF files on llama.cpp, token by token, continuous batching",
        "llama-cpp",
        "llama_cpp",
    ),
    Entry(
        "ctranslate2",
        "mlassay.backends.ctranslate2:CTranslate2",
        "Transformers that translate, on CTranslate2: folders as its converters write them",
        "ctranslate2",
    ),
)
"""Every backend by name; plug-ins join through the entry-point group "mlassay.backends".

A runtime's entry is called as `entry(model, **options)`: model is a core.model.ModelSpec or a path, options are the
fields of its OPTIONS class, as values or as text from the command line.
"""
