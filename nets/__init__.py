"""The networks that netgen knows by name, one module per family; each is a function of typed arguments."""

if __name__ != "netgen.nets":
    raise ImportError("this package is netgen.nets: import netgen.nets instead of nets")

CLASSIFIERS = {
    "peleenet": "peleenet",
    "alexnet": "alexnet",
    "caffenet": "alexnet",
    "densenet121": "densenet",
    "densenet169": "densenet",
    "densenet201": "densenet",
    "googlenet": "googlenet",
    "lenet": "alexnet",
    "mobilenet_v1": "mobilenet",
    "mobilenet_v2": "mobilenet",
    "resnet18": "resnet",
    "resnet34": "resnet",
    "resnet50": "resnet",
    "resnet101": "resnet",
    "resnet152": "resnet",
    "se_resnet50": "resnet",
    "shufflenet_v1": "shufflenet",
    "squeezenet1_0": "squeezenet",
    "squeezenet1_1": "squeezenet",
    "vgg16": "vgg",
    "vgg19": "vgg",
    "darknet19": "darknet",
    "darknet53": "darknet",
}
DETECTORS = {
    "yolov2": "yolo",
    "yolov2_tiny": "yolo",
    "yolov3": "yolo",
    "yolov3_tiny": "yolo",
    "yolov3_spp": "yolo",
    "pelee_ssd": "pelee_ssd",
    "mobilenet_ssd": "ssd",
    "ssd300_vgg16": "ssd",
    "ssd512_vgg16": "ssd",
}
MODULES = {**CLASSIFIERS, **DETECTORS}
"""The module, here, that holds the function of each network's name."""
