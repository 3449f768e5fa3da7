"""How netgen is packaged; pyproject.toml holds the settings of the tools."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# nets/ and templates/ are at the top of the repository, where their authors look for them, and inside netgen once
# installed. netgen/_checkout.py makes a checkout look like the installed package.
FOLDERS = {"netgen": "netgen", "netgen.nets": "nets", "netgen.templates": "templates"}

TORCH = ["torch>=2.1"]
HDF5 = ["h5py>=3.10"]
IMAGES = ["pillow>=10.1"]
PARQUET = ["pyarrow>=15"]
PROGRESS = ["tqdm>=4.66"]
TEST = [
    *TORCH,
    *HDF5,
    *IMAGES,
    *PARQUET,
    *PROGRESS,
    "pytest>=8.2",
    "jsonschema>=4.18",
    "hypothesis>=6.100",
    "opencv-python-headless>=4.5,<5",  # 5 has no importer for Caffe
    "grpcio-tools>=1.62",
    "netron>=9.3",  # opens what is written, in tests/test_netron.py
    "selenium>=4.20",  # drives the chromium of tests/test_page_browser.py
    "pip>=22.3",  # tests/test_install.py builds and installs netgen with these two, without build isolation
    "setuptools>=77",
]
DEV = ["ruff>=0.9", "mypy>=1.14", "types-protobuf", "build"]


class FreshBuild(build_py):
    """Start from an empty build folder: what an earlier build left there would be packaged again, deleted or not."""

    def run(self) -> None:
        """Build the package."""
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "netgen", ignore_errors=True)
        super().run()


def version() -> str:
    """The version that netgen/_version.py holds, read without importing netgen, whose dependencies may be missing."""
    text = (ROOT / "netgen" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert found is not None, "netgen/_version.py holds no version"
    return found[1]


def packages() -> list[str]:
    """Every package under the folders of FOLDERS, by the name it has once installed."""
    return [
        name
        for package, folder in FOLDERS.items()
        for name in [package, *(f"{package}.{each}" for each in find_packages(str(ROOT / folder)))]
    ]


setup(
    name="netgen",
    version=version(),
    description="Describe a network once, in Python: Caffe prototxt, exact shapes, cost and a PyTorch twin",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the netgen authors",
    license_expression="BSD-2-Clause AND ISC AND MIT",  # the last two of templates/vendor
    license_files=["LICENSE", "NOTICE", "templates/vendor/*.LICENSE.txt"],
    keywords=["caffe", "prototxt", "caffemodel", "neural network", "code generation", "darknet"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Software Development :: Code Generators",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # The lower bounds are releases that the tests were seen to pass with; constraints.txt pins what they run with.
    install_requires=["jinja2>=3.1", "protobuf>=4.22", "numpy>=1.24"],
    extras_require={
        "torch": TORCH,
        "hdf5": HDF5,
        "images": IMAGES,
        "parquet": PARQUET,
        "progress": PROGRESS,
        "test": TEST,
        "dev": TEST + DEV,
        "bench": [*TORCH, "fvcore", "ptflops", "torchinfo"],
    },
    package_dir=FOLDERS,
    packages=packages(),
    package_data={
        "netgen": ["py.typed", "report.schema.json"],
        "netgen.proto": ["caffe.proto"],
        "netgen.templates": ["**/*.j2", "page/*", "vendor/*"],
    },
    entry_points={"console_scripts": ["netgen = netgen.cli:main"]},
    cmdclass={"build_py": FreshBuild},
    zip_safe=False,
)
