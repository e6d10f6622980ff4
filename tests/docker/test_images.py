"""The images agree with the lock, copy existing files, and run without root in a folder that they can write."""

import re

import pytest

from tests.shared import ROOT

FILES = ["Dockerfile.worker", "Dockerfile.train"]
COMPILERS = re.compile(r"\b(gcc|g\+\+|clang|build-essential|python3-dev)\b")


def read_dockerfile(name: str) -> str:
    """Return a Dockerfile with continued lines joined and without comments."""
    text = (ROOT / "docker" / name).read_text().replace("\\\n", " ")
    return re.sub(r"^#.*\n", "", text, flags=re.M)


def read_result_stage(name: str) -> str:
    """Return the last stage of a Dockerfile, which is the image that runs."""
    return re.split(r"^(?=FROM )", read_dockerfile(name), flags=re.M)[-1]


def find_pinned_version(package: str) -> str:
    """Return the version of a package in requirements.lock."""
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements.lock").read_text(), re.M | re.I)
    assert found, f"{package} is not pinned"
    return found[1]


def test_the_worker_has_the_entry_point_of_the_pinned_beam():
    tag = re.search(r"^FROM apache/beam_python3\.11_sdk:(\S+) AS build$", read_dockerfile("Dockerfile.worker"), re.M)
    assert tag and tag[1] == find_pinned_version("apache-beam")
    result = read_result_stage("Dockerfile.worker")
    assert "COPY --from=build /opt/apache/beam /opt/apache/beam" in result
    assert 'ENTRYPOINT ["/opt/apache/beam/boot"]' in result


def test_the_entry_point_of_the_worker_can_start_without_root():
    result = read_result_stage("Dockerfile.worker")
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in result
    home = re.search(r"^RUN useradd --create-home \S+ \d+ (\w+)$", result, re.M)[1]
    assert re.findall(r"^WORKDIR (\S+)$", result, re.M)[-1] == f"/home/{home}"
    assert re.search(rf"^ARG WORKER_USER={home}$", result, re.M)


def test_the_worker_has_no_compiler():
    result = read_result_stage("Dockerfile.worker")
    assert re.match(r"FROM python:3\.11-slim", result)
    assert not COMPILERS.search(result) and "apt-get" not in result


def test_any_user_can_run_the_training_image():
    result = read_result_stage("Dockerfile.train")
    assert "HOME=/tmp" in result and "USER=gristmill" in result
    assert '--user "$(id -u):$(id -g)"' in (ROOT / "docker" / "Dockerfile.train").read_text()


@pytest.mark.parametrize("name", FILES)
def test_copied_files_exist_and_the_user_is_not_root(name):
    text = read_dockerfile(name)
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    users = re.findall(r"^USER (\S+)$", read_result_stage(name), re.M)
    assert users and users[-1] != "root"
    assert "--constraint requirements.lock" in text


def test_every_installed_package_is_pinned():
    for name in FILES:
        for packages in re.findall(r"--constraint requirements\.lock ([^&\n]+)", read_dockerfile(name)):
            for package in re.findall(r"(?<![\w.'\[])[a-z][\w-]+", packages.replace("'.[cloud]'", "")):
                assert find_pinned_version(package)
