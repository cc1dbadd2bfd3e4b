"""Why this exists: what every scenario starts from: a folder, a server with data, the product."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib.mongodb import KINDS, PASSWORDS, MongoServer  # noqa: E402
from lib.object_stores import FakeGcs, Minio  # noqa: E402
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer  # noqa: E402
from lib.product import Product  # noqa: E402
from lib import auth_data  # noqa: E402

ALL_MAJORS = "15,16,17,18"


def pytest_addoption(parser):
    parser.addoption(
        "--majors", default=os.environ.get("ASB_MAJORS", ALL_MAJORS),
        help=f"PostgreSQL versions for tests that take `major`, comma-separated ({ALL_MAJORS})",
    )


def pytest_generate_tests(metafunc):
    if "major" in metafunc.fixturenames:
        majors = [int(major) for major in metafunc.config.getoption("--majors").split(",")]
        metafunc.parametrize("major", majors, scope="module")


def make_folder():
    """Not pytest's tmp_path: user postgres must be able to enter, and a socket's path is short."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="asb-scenario-"))
    folder.chmod(0o755)
    return folder


@pytest.fixture
def tmp():
    """A folder of the test's own, which any user may enter."""
    folder = make_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def module_tmp():
    """The same for a whole module."""
    folder = make_folder()
    yield folder
    shutil.rmtree(folder)


def server_with_data(major, folder):
    server = PostgresServer.create(major, folder)
    server.create_minimal_role()
    server.load_auth_data()
    return server


@pytest.fixture(scope="module")
def pg15(module_tmp):
    """PostgreSQL 15 with auth data and the backup role; shared by a module, so leave it as it was."""
    with server_with_data(15, module_tmp / "pg15") as server:
        yield server


@pytest.fixture(scope="module")
def pg(major, module_tmp):
    """The same on each of --majors."""
    with server_with_data(major, module_tmp / f"each-{major}") as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def mongo(request, module_tmp):
    """Each MongoDB-compatible server with auth data and users; shared by a module, so leave it as it was."""
    with MongoServer.create(request.param, module_tmp / f"mongo-{request.param}") as server:
        server.load_auth_data()
        yield server


@pytest.fixture(scope="module")
def minio(module_tmp):
    """S3 as MinIO has it; each test makes a bucket of its own."""
    with Minio(module_tmp / "minio") as server:
        yield server


@pytest.fixture(scope="module")
def gcs(module_tmp):
    """Google Cloud Storage as its emulator has it; likewise."""
    with FakeGcs(module_tmp / "gcs") as server:
        yield server


@pytest.fixture
def product(tmp):
    """The product without a database; set `product.database_url`, for example to pg15.url(...)."""
    made = Product(tmp / "product")
    made.keep_secret(SUPERUSER_PASSWORD, auth_data.APP_PASSWORD, *PASSWORDS)
    return made
